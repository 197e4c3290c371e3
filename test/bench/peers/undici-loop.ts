/**
 * Peer of the archiver: posts pairs to S3 with nothing but undici. The forms are the archiver's own, signed and framed
 * before the clock starts; no queue, no index, no checks. Prints seconds and CPU of the loop as JSON.
 */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import { multipartForm } from '../../../sidecar/s3/multipart-form.ts';
import { presignPost } from '../../../sidecar/s3/presigned-post.ts';
import { makePairs } from '../subjects/pairs.ts';

export interface UndiciLoopOptions {
  readonly s3Port: number;
  readonly pairs: number;
  /** Posted before the clock starts. */
  readonly warmUpPairs: number;
  readonly imageBytes: number;
  readonly concurrency: number;
}

const options = JSON.parse(process.argv[2] ?? '{}') as UndiciLoopOptions;
const { s3Port, pairs, warmUpPairs, imageBytes, concurrency } = options;
const BUCKET = 'bench-bucket';
const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };

function form(key: string, contentType: string, bytes: Buffer) {
  const sha256 = createHash('sha256').update(bytes).digest();
  const spec = { bucket: BUCKET, key, region: 'us-east-1', contentType, sizeBytes: bytes.length, sha256 };
  const { fields } = presignPost({ ...spec, acl: 'private' }, credentials, new Date());
  return multipartForm(fields, { filename: 'file', contentType, bytes });
}

const jobs = makePairs(warmUpPairs + pairs, imageBytes, 'loop').map(({ image, record, imageHash }) => [
  form(`output-${imageHash}.jpg`, 'image/jpeg', image),
  form(`input-${imageHash}.json`, 'application/json', record),
]);
const pool = new Pool(`http://127.0.0.1:${s3Port}`, { connections: concurrency, pipelining: 1 });

async function post({ contentType, lengthBytes, body }: ReturnType<typeof form>): Promise<void> {
  const headers = { 'content-type': contentType, 'content-length': String(lengthBytes) };
  // undici takes any iterable; its types do not say so.
  const iterable = body as unknown as Readable;
  const response = await pool.request({ method: 'POST', path: `/${BUCKET}`, headers, body: iterable });
  await response.body.dump();
  if (response.statusCode !== 204) throw new Error(`S3 answered ${response.statusCode}`);
}

async function postAll(from: number, to: number): Promise<void> {
  const left = jobs.slice(from, to);
  const lane = async (): Promise<void> => {
    for (let job = left.pop(); job !== undefined; job = left.pop()) for (const each of job) await post(each);
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}

await postAll(0, warmUpPairs);
const cpuBefore = process.cpuUsage();
const started = performance.now();
await postAll(warmUpPairs, warmUpPairs + pairs);
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
await pool.close();
process.stdout.write(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 }));
