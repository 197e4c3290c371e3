import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createLogger } from '../../runtime/logger.ts';
import { natsAccessByUrls } from '../../runtime/nats-access.ts';
import { type ArchiveBench, openArchiveBench } from '../../../test/_support/archive-bench.ts';
import { natsServerBinaries } from '../../../test/_support/nats-binaries.ts';
import { openJetStreamConnection } from './jetstream-connection.ts';

let bench: ArchiveBench;
beforeAll(async () => {
  bench = await openArchiveBench(natsServerBinaries()[0]?.binary ?? '');
});
afterAll(() => bench.close());

it('dials anew when the library closes the connection for good', async () => {
  const connection = openJetStreamConnection(
    natsAccessByUrls([bench.server.url]),
    createLogger('test', 'silent'),
  );
  const changes: boolean[] = [];
  connection.onChange((connected) => changes.push(connected));
  const first = await vi.waitUntil(() => connection.current, { timeout: 10_000 });
  await first.close();
  const second = await vi.waitUntil(() => connection.current, { timeout: 10_000 });
  expect(second).not.toBe(first);
  expect(changes).toEqual([true, false, true]);
  expect((await second.jetstream().publish('sekai.archive.event.x', 'y')).seq).toBeGreaterThan(0);
  await connection.close();
  expect(connection.current).toBeUndefined();
  expect(second.isClosed()).toBe(true);
});
