import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import { findNatsServer, startNatsServer } from './nats-server.ts';

const directory = await mkdtemp(join(tmpdir(), 'sekai-nats-launch-'));
afterAll(() => rm(directory, { recursive: true, force: true }));

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe.each(natsServerBinaries())('nats-server $version', ({ binary, version }) => {
  it('starts on a free port, survives a kill by restarting on the same port, and stops', async () => {
    const server = await startNatsServer({ binary, directory: join(directory, version) });
    expect(server.version).toBe(version);
    const { port, pid } = server;
    await server.kill('SIGKILL');
    expect(alive(pid)).toBe(false);
    await server.restart();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(alive(server.pid)).toBe(true);
    await server.stop();
    await server.stop();
    expect(alive(server.pid)).toBe(false);
  });

  it('reports the end of the log when the server cannot start', async () => {
    await expect(
      startNatsServer({
        binary,
        directory: join(directory, `${version}-bad`),
        config: 'max_payload: nonsense',
      }),
    ).rejects.toThrow(/ended before it was ready[\s\S]*nats-server\.conf/);
  });
});

describe('findNatsServer', () => {
  it('says so when NATS_SERVER_BIN names no executable', async () => {
    await expect(findNatsServer({ NATS_SERVER_BIN: '/nowhere/nats-server' })).rejects.toThrow(
      /NATS_SERVER_BIN=\/nowhere\/nats-server/,
    );
  });
});
