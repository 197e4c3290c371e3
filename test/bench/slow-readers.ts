/**
 * What callers that do not read cost the service. Run: node dist/test/bench/slow-readers.js [readers] [side]
 * Starts the service as a process of its own, archiving off, lets each caller wait after its header, and prints
 * the process's memory.
 */
import { readFile } from 'node:fs/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ClientReadableStream, credentials } from '@grpc/grpc-js';
import { startStack } from '../../deploy/dev/stack.ts';
import {
  GenerateImageRequest,
  type GenerateImageResponse,
  ImageEncoding,
  ImageGenerationServiceClient,
  ResponseFormat,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';

const MIB = 1024 * 1024;
const [readers = 20, side = 4096] = process.argv.slice(2).map(Number);

for (const [name, responseFormat] of [
  ['binary', ResponseFormat.RESPONSE_FORMAT_BINARY],
  ['json', ResponseFormat.RESPONSE_FORMAT_JSON],
] as const) {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-bench-'));
  const environment = { ENABLE_INTERNAL_S3_UPLOAD: 'false', ENGINE_CONCURRENCY: '1', ENGINE_QUEUE: '64' };
  const stack = await startStack({ directory, environment });
  const { pid } = stack.service;
  const client = new ImageGenerationServiceClient(stack.target, credentials.createInsecure());
  const before = await memory(pid);
  const payloads: number[] = [];
  const streams: ClientReadableStream<GenerateImageResponse>[] = [];
  for (let index = 0; index < readers; index += 1) {
    const stream = client.generateImage({
      ...GenerateImageRequest.decode(new Uint8Array(0)),
      prompt: `noise ${index}`,
      seed: index,
      steps: 4,
      width: side,
      height: side,
      imageEncoding: ImageEncoding.IMAGE_ENCODING_PNG,
      responseFormat,
    });
    streams.push(stream);
    payloads.push(await untilHeader(stream));
  }
  await delay(2_000);
  const held = await memory(pid);
  const sum = payloads.reduce((a, b) => a + b, 0) / MIB;
  const started = performance.now();
  await Promise.all(streams.map(readToEnd));
  const seconds = (performance.now() - started) / 1000;
  await delay(500);
  const after = await memory(pid);
  console.log(
    `${name}: ${readers} readers of ${side}² PNG, payloads ${sum.toFixed(0)} MiB in all; RSS before ${before.rss}, ` +
      `held ${held.rss}, peak ${held.peak}, after ${after.rss} MiB; read on at ${(sum / seconds).toFixed(0)} MiB/s`,
  );
  client.close();
  await stack.stop();
  await rm(directory, { recursive: true, force: true });
}

/** Reads up to the header, then not any more. */
function untilHeader(stream: ClientReadableStream<GenerateImageResponse>): Promise<number> {
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    const onData = ({ event }: GenerateImageResponse): void => {
      if (event?.$case !== 'header') return;
      stream.off('data', onData);
      stream.pause();
      resolve(Number(event.value.sizeBytes));
    };
    stream.on('data', onData);
  });
}

function readToEnd(stream: ClientReadableStream<GenerateImageResponse>): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on('end', () => resolve());
    stream.on('error', reject);
    stream.on('data', () => {});
    stream.resume();
  });
}

async function memory(pid: number): Promise<{ rss: number; peak: number }> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  const read = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024);
  return { rss: read('VmRSS'), peak: read('VmHWM') };
}
