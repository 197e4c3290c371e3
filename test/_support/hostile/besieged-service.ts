/** The real process, and what hostile peers do to it: is it up, how large is it, how much does it log? */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Metadata } from '@grpc/grpc-js';
import { type LogLine, startManagedProcess } from '../../../deploy/dev/managed-process.ts';
import { ImageGenerationServiceClient } from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { lookThrough, type ProcessHoldings } from '../holdings-window.ts';
import { collect } from '../image-generation-fixture.ts';
import { IMAGE_ENVIRONMENT } from '../image/image-environment.ts';
import { isIntact } from '../paused-call.ts';
import { wireRequest } from '../wire-request.ts';

export interface BesiegedHoldings extends ProcessHoldings {
  /** Handlers that have not ended. */
  readonly callsRunning: number;
}

export interface BesiegedService {
  readonly port: number;
  readonly running: boolean;
  /** Lines of its log so far. */
  readonly logged: { lines: number; bytes: number; texts: Record<string, number>; severe: LogLine[] };
  /** What it holds once all peers have gone; with what is left when that does not happen within a minute. */
  idleHoldings(): Promise<BesiegedHoldings>;
  /** @throws {Error} when a well-behaved caller does not get its image. */
  serves(): Promise<void>;
  stop(): Promise<number | null>;
}

const isIdle = ({ sessions, streams, callsRunning }: BesiegedHoldings): boolean =>
  sessions + streams + callsRunning === 0;

const EVERYDAY_LEVELS: readonly unknown[] = ['debug', 'info'];
const SEVERE_KEPT = 20;

function createLogTally() {
  const logged: BesiegedService['logged'] = { lines: 0, bytes: 0, texts: {}, severe: [] };
  const onLine = (line: LogLine): void => {
    logged.lines += 1;
    logged.bytes += JSON.stringify(line).length + 1;
    const { msg = '', code } = line;
    const text = typeof code === 'string' ? `${msg} ${code}` : msg;
    logged.texts[text] = (logged.texts[text] ?? 0) + 1;
    // Lines that are not ours have no level: a stack that Node printed, for example.
    const severe = !EVERYDAY_LEVELS.includes(line['level']);
    if (severe && logged.severe.length < SEVERE_KEPT) logged.severe.push(line);
  };
  return { logged, onLine };
}

export async function startBesiegedService(): Promise<BesiegedService> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-fuzz-'));
  const { logged, onLine } = createLogTally();
  const managed = await startManagedProcess({
    name: 'besieged service',
    entry: 'test/_support/hostile/watched-service.js',
    environment: {
      GRPC_LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      ENABLE_INTERNAL_S3_UPLOAD: 'false',
      ...IMAGE_ENVIRONMENT,
      // Counting objects is experimental; what Node prints otherwise is to be seen.
      NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
    },
    logFile: join(directory, 'service.log'),
    readyMessage: 'watched service is ready',
    onLine,
  });
  const port = Number(managed.ready['grpcPort']);
  return {
    port,
    logged,
    get running() {
      return managed.running;
    },
    async idleHoldings() {
      // The server's keep-alive finds the last of the connections whose end it has not seen within 20 s.
      const until = performance.now() + 60_000;
      for (;;) {
        const held = await lookThrough<BesiegedHoldings>(Number(managed.ready['holdingsPort']));
        if (isIdle(held) || performance.now() > until) return held;
        await sleep(1_000);
      }
    },
    async serves() {
      // A connection of its own: what became of an earlier one must not matter.
      const options = { 'grpc.use_local_subchannel_pool': 1 };
      const target = `127.0.0.1:${port}`;
      const client = new ImageGenerationServiceClient(target, credentials.createInsecure(), options);
      const request = wireRequest({ width: 64, height: 64 });
      const call = await collect(
        client.generateImage(request, new Metadata(), { deadline: Date.now() + 30_000 }),
      );
      client.close();
      if (call.error !== undefined) throw call.error;
      if (!isIntact(call)) throw new Error('the image is damaged');
    },
    async stop() {
      const code = await managed.stop();
      await rm(directory, { recursive: true, force: true });
      return code;
    },
  };
}
