/** A collector that is at fault costs one log line, never a call. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import type { GenerateImageRequest } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { collect, startFixture } from '../_support/image-generation-fixture.ts';
import { startOtlpCollector } from '../_support/otlp-collector.ts';
import { wireRequest } from '../_support/wire-request.ts';

const request = (): GenerateImageRequest =>
  wireRequest({ width: 64, height: 64, steps: 1, requestId: randomUUID() });

describe('a collector that does not do its work', () => {
  it.each(['refusing', 'hanging', 'gone'] as const)(
    'is %s: calls end OK, one line says so, the stop is prompt',
    async (how) => {
      const bad = await startOtlpCollector();
      if (how === 'gone') await bad.stop();
      else bad.behave(how);
      const service = await startFixture({
        OTEL_EXPORTER_OTLP_ENDPOINT: bad.endpoint,
        OTEL_EXPORTER_OTLP_TIMEOUT: '500',
        OTEL_BSP_SCHEDULE_DELAY: '20',
        ENABLE_INTERNAL_S3_UPLOAD: 'false',
      });
      const warnings = (): unknown[] => service.logLines.filter(({ level }) => level === 'warn');
      for (let i = 0; i < 3; i += 1) {
        const { error } = await collect(service.client.generateImage(request()));
        expect(error).toBeUndefined();
      }
      await vi.waitFor(() => expect(warnings()).toHaveLength(1), { timeout: 15_000 });
      await collect(service.client.generateImage(request()));
      await service[Symbol.asyncDispose]();
      expect(warnings()).toMatchObject([{ msg: 'traces cannot be delivered; they are dropped' }]);
      if (how !== 'gone') await bad.stop();
    },
  );

  it('is heard of again when it is back', async () => {
    const bad = await startOtlpCollector();
    bad.behave('refusing');
    await using service = await startFixture({
      OTEL_EXPORTER_OTLP_ENDPOINT: bad.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '20',
      ENABLE_INTERNAL_S3_UPLOAD: 'false',
    });
    const said = (msg: string): unknown => service.logLines.find((line) => line['msg'] === msg);
    await collect(service.client.generateImage(request()));
    await vi.waitFor(() => expect(said('traces cannot be delivered; they are dropped')).toBeDefined(), {
      timeout: 15_000,
    });
    bad.behave('well');
    await collect(service.client.generateImage(request()));
    await vi.waitFor(
      () => expect(said('traces are delivered again')).toMatchObject({ lostSpans: expect.any(Number) }),
      {
        timeout: 15_000,
      },
    );
    await bad.stop();
  });
});
