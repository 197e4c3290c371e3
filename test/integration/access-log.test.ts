/** One line per call, and what a hostile peer can make of it. */
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { GenerateImageResponse } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { Exposition } from '../_support/exposition.ts';
import { collect, startFixture } from '../_support/image-generation-fixture.ts';
import {
  accessLines,
  ARCHIVE_OFF,
  callUnary,
  obedientEngine,
  scrapeAfter,
  small,
} from '../_support/scripted-calls.ts';

test('the line of a call tells who, what, how long and how much, and the trace; never the prompt', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: obedientEngine() });
  const metadata = new Metadata();
  metadata.set('traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
  const requestId = '0190a6a4-5e6b-7cde-8f01-23456789abcd';
  const request = small({ prompt: 'a hidden valley', requestId });
  const { events } = await collect(
    service.client.generateImage(request, metadata, { deadline: Date.now() + 60_000 }),
  );
  await scrapeAfter(service, 1);
  const lines = accessLines(service);
  expect(lines).toEqual([
    expect.objectContaining({
      level: 'info',
      method: 'GenerateImage',
      code: 'OK',
      requestId,
      caller: '127.0.0.1',
      peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
      messages: events.length,
      bytes: events.reduce((sum, each) => sum + GenerateImageResponse.encode(each).finish().length, 0),
      promptBytes: 15,
      promptHash: expect.stringMatching(/^[0-9a-f]{16}$/),
      ms: expect.any(Number),
    }),
  ]);
  expect(lines[0]?.['deadlineMs']).toBeGreaterThan(30_000);
  expect(lines[0]?.['deadlineMs']).toBeLessThanOrEqual(60_000);
  expect(JSON.stringify(service.logLines)).not.toContain('hidden valley');
});

test('a hostile peer makes up no series and no more than a bounded number of lines', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: obedientEngine() });
  const client = new Client(service.target, credentials.createInsecure());
  expect(await callUnary(client, '/a/b')).toBe(status.UNIMPLEMENTED);
  expect((await collect(service.client.generateImage(small({ prompt: '' })))).error?.code).toBe(3);
  const before = await scrapeAfter(service, 2);
  const started = performance.now();
  const nonsense = Array.from({ length: 600 }, (_, i) =>
    callUnary(client, `/made.up.Service${i}/"\\Method${i}`),
  );
  expect(new Set(await Promise.all(nonsense))).toEqual(new Set([status.UNIMPLEMENTED]));
  for (let i = 0; i < 20; i += 1) {
    const metadata = new Metadata();
    metadata.set('traceparent', `00-${'z'.repeat(1_000)}${i}`);
    metadata.set('user-agent', `agent ${i}`);
    const request = small({ prompt: '', requestId: `${i}`.repeat(5_000) });
    const { error } = await collect(service.client.generateImage(request, metadata));
    expect(error?.code).toBe(status.INVALID_ARGUMENT);
  }
  const after = await scrapeAfter(service, 622);
  const seconds = (performance.now() - started) / 1_000;
  client.close();
  const names = (exposition: Exposition): string[] =>
    [...exposition.series.keys()].filter((key) => /^(?:grpc|sekai)_/.test(key)).toSorted();
  expect(names(after)).toEqual(names(before));
  expect(after.by('grpc_server_handled_total', 'grpc_code')).toEqual({
    Unimplemented: 601,
    InvalidArgument: 21,
  });
  const unimplemented = accessLines(service).filter(({ code }) => code === 'UNIMPLEMENTED');
  expect(unimplemented.length).toBeGreaterThanOrEqual(100);
  expect(unimplemented.length).toBeLessThanOrEqual(101 + 20 * seconds);
  expect(Math.max(...service.logLines.map((each) => JSON.stringify(each).length))).toBeLessThan(1_500);
}, 30_000);
