/** The real process, and what hostile peers do to it: is it up, how large is it, how much does it log? */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Metadata } from '@grpc/grpc-js';
import { type LogLine, startManagedProcess } from '../../../deploy/dev/managed-process.ts';
import { ImageGenerationServiceClient } from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { collect } from '../image-generation-fixture.ts';
import { isIntact } from '../paused-call.ts';
import { wireRequest } from '../wire-request.ts';

export interface BesiegedService {
  readonly port: number;
  readonly running: boolean;
  /** Lines of its log so far. */
  readonly logged: { lines: number; bytes: number; texts: Record<string, number>; severe: LogLine[] };
  rssBytes(): Promise<number>;
  /** @throws {Error} when a well-behaved caller does not get its image. */
  serves(): Promise<void>;
  stop(): Promise<number | null>;
}

const EVERYDAY_LEVELS: readonly unknown[] = ['debug', 'info'];
const SEVERE_KEPT = 20;

export async function startBesiegedService(): Promise<BesiegedService> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-fuzz-'));
  const logged: BesiegedService['logged'] = { lines: 0, bytes: 0, texts: {}, severe: [] };
  const managed = await startManagedProcess({
    name: 'besieged service',
    entry: 'services/image-generation/main.js',
    environment: {
      GRPC_LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      ENABLE_INTERNAL_S3_UPLOAD: 'false',
      MALLOC_ARENA_MAX: '2',
    },
    logFile: join(directory, 'service.log'),
    readyMessage: 'image service is ready',
    onLine: (line) => {
      logged.lines += 1;
      logged.bytes += JSON.stringify(line).length + 1;
      const { msg = '', code } = line;
      const text = typeof code === 'string' ? `${msg} ${code}` : msg;
      logged.texts[text] = (logged.texts[text] ?? 0) + 1;
      // Lines that are not ours have no level: a stack that Node printed, for example.
      const severe = !EVERYDAY_LEVELS.includes(line['level']);
      if (severe && logged.severe.length < SEVERE_KEPT) logged.severe.push(line);
    },
  });
  const port = Number(managed.ready['grpcPort']);
  return {
    port,
    logged,
    get running() {
      return managed.running;
    },
    async rssBytes() {
      const url = `http://127.0.0.1:${String(managed.ready['adminPort'])}/metrics`;
      const text = await (await fetch(url)).text();
      return Number(/^process_resident_memory_bytes (.+)$/m.exec(text)?.[1]);
    },
    async serves() {
      const client = new ImageGenerationServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
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
