import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { startNatsServer } from '../../deploy/dev/nats-server.ts';
import { createLogger } from '../../services/runtime/logger.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import { until } from '../../test/_support/archive-bench.ts';
import { connectNats, UnfitNatsServerError } from './connection.ts';
import { natsAccessByUrls } from '../../services/runtime/nats-access.ts';

const directory = await mkdtemp(join(tmpdir(), 'sekai-connect-'));
afterAll(() => rm(directory, { recursive: true, force: true }));

const never = new AbortController().signal;
const silent = createLogger('test', 'silent');

describe.each(natsServerBinaries())('connection to nats-server $version', ({ binary, version }) => {
  it('refuses a server whose max_payload is too small for an event', async () => {
    const server = await startNatsServer({
      binary,
      directory: join(directory, `${version}-small`),
      config: 'max_payload: 524288',
    });
    try {
      await expect(connectNats(natsAccessByUrls([server.url]), 'test', silent, never)).rejects.toThrow(
        UnfitNatsServerError,
      );
    } finally {
      await server.stop();
    }
  });

  it('logs in with what the URL says', async () => {
    const server = await startNatsServer({
      binary,
      directory: join(directory, `${version}-login`),
      config: 'authorization { user: ann, password: "p@ss" }',
    });
    const lines: string[] = [];
    const log = createLogger('test', 'info', { write: (line) => void lines.push(line) });
    const url = server.url.replace('//', '//ann:p%40ss@');
    const link = await connectNats(natsAccessByUrls([url]), 'test', log, never);
    expect(link.connected).toBe(true);
    await link.close();
    await link.close();
    expect(lines.join('')).not.toContain('p@ss');
    await server.stop();
  });

  it('waits for a server that is not there yet, notices its loss and return, and closes while it is away', async () => {
    const server = await startNatsServer({ binary, directory: join(directory, `${version}-late`) });
    await server.stop();
    const connecting = connectNats(natsAccessByUrls([server.url]), 'test', silent, never);
    await server.restart();
    const link = await connecting;
    await server.kill('SIGKILL');
    await until('loss is noticed', () => !link.connected);
    await server.restart();
    await until('return is noticed', () => link.connected);
    await server.stop();
    await until('loss is noticed', () => !link.connected);
    const start = Date.now();
    await link.close();
    expect(Date.now() - start).toBeLessThan(4_000);
  });
});

it('gives up when it is told to', async () => {
  const abort = new AbortController();
  const connecting = connectNats(natsAccessByUrls(['nats://127.0.0.1:1']), 'test', silent, abort.signal);
  abort.abort(new Error('stopped'));
  await expect(connecting).rejects.toThrow('stopped');
});
