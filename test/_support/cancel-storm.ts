/** Callers that leave at random moments, in every way, against a service in a process of its own. */
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Metadata, status } from '@grpc/grpc-js';
import { type ManagedProcess, startManagedProcess } from '../../deploy/dev/managed-process.ts';
import { STREAM_BLOBS, STREAM_EVENTS } from '../../proto/archive-event.ts';
import { ImageGenerationServiceClient } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { IMAGE_ENVIRONMENT } from './image/image-environment.ts';
import { type NatsFixture, startNatsFixture } from './nats-fixture.ts';
import type { Holdings } from './soak-service.ts';
import { type TcpProxy, startTcpProxy } from './tcp-proxy.ts';
import { wireRequest } from './wire-request.ts';

export interface CancelStorm {
  /** Makes `cancels` calls that end early, 16 at a time; resolves with how many of all calls ended with each code. */
  rage(cancels: number): Promise<Readonly<Record<string, number>>>;
  /** What the service holds once every call is over. */
  holdings(): Promise<Holdings>;
  [Symbol.asyncDispose](): Promise<void>;
}

const CALLERS = 16;
/** Longest time until a caller leaves, ms: a good call takes up to about this long, so that every point is hit. */
const LONGEST_STAY_MS = 60;

/** @param cuts Whether callers also leave by a cut connection. */
export async function startCancelStorm({ cuts }: { cuts: boolean }): Promise<CancelStorm> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-soak-'));
  const nats = await startNatsFixture();
  const service = await startService(nats, directory);
  const port = Number(service.ready['grpcPort']);
  const proxy = await startTcpProxy(port);
  const client = new ImageGenerationServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  return {
    async rage(cancels) {
      const counts: Record<string, number> = {};
      let left = cancels;
      const caller = async (): Promise<void> => {
        while (left > 0) {
          left -= 1;
          const code = await leaveEarly(client, cuts ? proxy : undefined);
          counts[status[code]] = (counts[status[code]] ?? 0) + 1;
          if (code === status.OK) left += 1; // It was too quick: that was no cancel.
        }
      };
      await Promise.all(Array.from({ length: CALLERS }, caller));
      // The queue is not what is measured here; nobody empties it.
      for (const stream of [STREAM_EVENTS, STREAM_BLOBS]) await nats.manager.streams.purge(stream);
      return counts;
    },
    async holdings() {
      const url = `http://127.0.0.1:${String(service.ready['holdingsPort'])}`;
      const ask = async (): Promise<Holdings> => {
        // A grpc-js client (1.14.7) that is closed while it connects keeps that connection: ours to clear away.
        proxy.cut();
        return (await (await fetch(url)).json()) as Holdings;
      };
      // Encoders and hand-offs of calls that are gone still finish. And a session of Node's that was busy writing
      // when its connection was cut does not read, so does not see the end: keep-alive finds it within 80 s.
      const until = performance.now() + 90_000;
      let held = await ask();
      while (!isQuiet(held) && performance.now() < until) {
        await sleep(1_000);
        held = await ask();
      }
      return held;
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await proxy[Symbol.asyncDispose]();
      await service.stop();
      await nats[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The client's own connection, and nothing that belongs to a call. */
const isQuiet = ({ enginesRunning, sessions }: Holdings): boolean => enginesRunning === 0 && sessions <= 1;

function startService(nats: NatsFixture, directory: string): Promise<ManagedProcess> {
  return startManagedProcess({
    name: 'soak service',
    entry: 'test/_support/soak-service.js',
    environment: {
      GRPC_LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      NATS_URL: nats.server.url,
      SPOOL_DIR: join(directory, 'spool'),
      // As deployed: glibc's own settings only hide what is freed.
      ...IMAGE_ENVIRONMENT,
    },
    logFile: join(directory, 'service.log'),
    readyMessage: 'soak service is ready',
  });
}

/** One call that is left at a random moment: cancelled, out of time, or with its connection cut. */
async function leaveEarly(
  shared: ImageGenerationServiceClient,
  proxy: TcpProxy | undefined,
): Promise<status> {
  const way = randomInt(10);
  const stayMs = randomInt(LONGEST_STAY_MS);
  const cut = way === 0 ? proxy : undefined;
  const client = cut
    ? new ImageGenerationServiceClient(cut.target, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
      })
    : shared;
  const deadline = way === 1 ? { deadline: Date.now() + stayMs } : {};
  const size = 16 * randomInt(1, 24);
  const request = wireRequest({ width: size, height: size, imageEncoding: randomInt(1, 4) as 1 | 2 | 3 });
  const stream = client.generateImage(request, new Metadata(), deadline);
  const ended = new Promise<status>((resolve) => {
    stream.on('data', () => {});
    stream.on('error', ({ code }: Error & { code: status }) => resolve(code));
    stream.on('end', () => resolve(status.OK));
  });
  if (way !== 1 && cut === undefined) void sleep(stayMs).then(() => stream.cancel());
  if (cut !== undefined) void sleep(stayMs).then(() => cut.cut());
  const code = await ended;
  if (cut !== undefined) client.close();
  return code;
}
