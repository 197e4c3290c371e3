import { describe, expect, it } from 'vitest';
import { createLogger } from '../services/runtime/logger.ts';
import { openArchiveBench } from '../test/_support/archive-bench.ts';
import { createMemoryObjectStore } from '../test/_support/memory-object-store.ts';
import { natsServerBinaries } from '../test/_support/nats-binaries.ts';
import { startArchiver } from './archiver.ts';
import { readArchiverConfig } from './config.ts';

const configFor = (natsUrl: string) =>
  readArchiverConfig({ NATS_URL: natsUrl, ADMIN_LISTEN: '127.0.0.1:0', LOG_LEVEL: 'silent' });
const overrides = () => ({
  objectStore: createMemoryObjectStore(),
  logger: createLogger('test', 'silent'),
});

describe('starting an archiver', () => {
  it('waits for a NATS that is away, says so, and can be stopped meanwhile', async () => {
    const archiver = await startArchiver(configFor('nats://127.0.0.1:1'), overrides());
    const ready = await fetch(`http://127.0.0.1:${archiver.adminPort}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, 'waiting for NATS\n']);
    await archiver.stop();
    expect(await archiver.ready).toBe(false);
  });

  it('fails when the NATS server can never carry an event', async () => {
    const [newest] = natsServerBinaries();
    const bench = await openArchiveBench(newest?.binary ?? '', 'max_payload: 100KB');
    const archiver = await startArchiver(configFor(bench.server.url), overrides());
    expect(await archiver.failed).toMatchObject({ name: 'UnfitNatsServerError' });
    await archiver.stop();
    await bench.close();
  });

  it('says that it is ready once it takes events, and that it is not when NATS is lost', async () => {
    const [newest] = natsServerBinaries();
    const bench = await openArchiveBench(newest?.binary ?? '');
    const archiver = await startArchiver(configFor(bench.server.url), overrides());
    expect(await archiver.ready).toBe(true);
    const ready = () => fetch(`http://127.0.0.1:${archiver.adminPort}/readyz`);
    expect((await ready()).status).toBe(200);
    await bench.server.stop();
    await expect.poll(async () => (await ready()).status).toBe(503);
    await archiver.stop();
    await bench.close();
  });

  it('does not start without credentials for S3', async () => {
    await expect(startArchiver(configFor('nats://127.0.0.1:1'))).rejects.toThrow(/AWS_ACCESS_KEY_ID/);
  });
});
