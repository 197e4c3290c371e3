/** Connections that have reached their age: callers connect anew, and no call notices. */
import { expect, test } from 'vitest';
import { collect, startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';
import { wireRequest } from '../_support/wire-request.ts';

test('callers are moved to new connections without a failed call, and a call that outlives several ages ends OK', async () => {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const engine = createNoiseEngine({
    steps: 1,
    beforeStep: async ({ prompt }) => {
      if (prompt === 'long') await opened;
    },
  });
  const environment = { ENABLE_INTERNAL_S3_UPLOAD: 'false', MAX_CONNECTION_AGE_SECONDS: '1' };
  await using service = await startFixture(environment, { engine });
  const long = collect(service.client.generateImage(wireRequest({ prompt: 'long' })));
  const peers = () => new Set(service.logLines.flatMap(({ peer }) => (peer === undefined ? [] : [peer])));
  const failures: unknown[] = [];
  const caller = async (): Promise<void> => {
    while (peers().size < 4) {
      const { error } = await collect(service.client.generateImage(wireRequest({ width: 16, height: 16 })));
      if (error !== undefined) failures.push(error);
    }
  };
  await Promise.all([caller(), caller(), caller(), caller()]);
  open();
  expect((await long).error).toBeUndefined();
  expect(failures).toEqual([]);
}, 60_000);
