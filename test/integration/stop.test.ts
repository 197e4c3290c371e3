/** What a stop owes to images that nobody waits for any more. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { STREAM_EVENTS } from '../../proto/archive-event.ts';
import { ArchiveState, ImageEncoding } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { MEDIA_TYPES } from '../../services/image-generation/image-encoder.ts';
import { createImageGenerationClient } from '../../services/client/image-generation-client.ts';
import { startFixture } from '../_support/image-generation-fixture.ts';
import { startNatsFixture } from '../_support/nats-fixture.ts';
import { createSizedEngine, createSizedImages, passThroughEncoder } from '../_support/sized-image.ts';

test('an image whose JPEG is still being encoded when the service stops is handed over', async () => {
  await using nats = await startNatsFixture();
  await using service = await startFixture(
    { NATS_URL: nats.server.url },
    {
      engine: createSizedEngine(await createSizedImages()),
      encoder: {
        async encode(image, format, quality) {
          if (format === 'jpeg') await delay(1_000);
          const encoded = await passThroughEncoder.encode(image, format, quality);
          return { ...encoded, mediaType: MEDIA_TYPES[format] };
        },
      },
    },
  );
  const client = createImageGenerationClient({ target: service.target });
  const imageEncoding = ImageEncoding.IMAGE_ENCODING_PNG;
  const { result } = await client.generateImage({ prompt: 'x', width: 64, height: 64, imageEncoding });
  expect(result.archive?.state).toBe(ArchiveState.ARCHIVE_STATE_FAILED); // The caller had no time to wait.
  client.close();
  await service.service.stop();
  expect((await nats.manager.streams.info(STREAM_EVENTS)).state.messages).toBe(1);
});
