/** What people type: buf curl, and grpcurl where it is installed, with nothing but reflection. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startFixture } from '../_support/image-generation-fixture.ts';
import { createNoiseEngine } from '../_support/noise-engine.ts';

const run = promisify(execFile);
const ARCHIVE_OFF = { ENABLE_INTERNAL_S3_UPLOAD: 'false' };
const SERVICE = 'sekai.image.v1.ImageGenerationService';
const REQUEST = JSON.stringify({ prompt: 'sea', width: 512, height: 512 });

interface JsonEvent {
  readonly header?: { readonly sha256: string };
  readonly chunk?: { readonly data: string };
  readonly result?: { readonly imageHash: string };
}

async function bufCurl(target: string, path: string, ...args: string[]): Promise<string> {
  const all = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...args, `http://${target}${path}`];
  return (await run(join('node_modules', '.bin', 'buf'), all, { maxBuffer: 64 * 1024 * 1024 })).stdout;
}

function readImage(output: string): {
  announced: string | undefined;
  hash: string | undefined;
  digest: Buffer;
} {
  // Both tools print one JSON object after the other.
  const events = JSON.parse(`[${output.trim().replaceAll(/\}\s*\n\s*\{/g, '},{')}]`) as JsonEvent[];
  const bytes = Buffer.concat(
    events.flatMap(({ chunk }) => (chunk ? [Buffer.from(chunk.data, 'base64')] : [])),
  );
  const digest = createHash('sha256').update(bytes).digest();
  const announced = events.find(({ header }) => header)?.header?.sha256;
  return { announced, hash: events.at(-1)?.result?.imageHash, digest };
}

test.each(['grpc-v1', 'grpc-v1alpha'])(
  'buf curl finds service and health by reflection %s',
  async (protocol) => {
    await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
    const methods = await bufCurl(service.target, '', '--list-methods', '--reflect-protocol', protocol);
    expect(methods.split('\n')).toEqual(
      expect.arrayContaining([`${SERVICE}/GenerateImage`, 'grpc.health.v1.Health/Check']),
    );
  },
);

test('buf curl generates a whole image', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
  const { announced, hash, digest } = readImage(
    await bufCurl(service.target, `/${SERVICE}/GenerateImage`, '-d', REQUEST),
  );
  expect({ announced, hash }).toEqual({ announced: digest.toString('base64'), hash: digest.toString('hex') });
});

test.each(['', SERVICE, 'readiness', 'liveness'])('the health of %j is SERVING', async (name) => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
  const answer = await bufCurl(
    service.target,
    '/grpc.health.v1.Health/Check',
    '-d',
    JSON.stringify({ service: name }),
  );
  expect(JSON.parse(answer)).toEqual({ status: 'SERVING' });
});

const grpcurl = await findGrpcurl();

test.skipIf(grpcurl === undefined)('grpcurl lists the service and generates a whole image', async () => {
  await using service = await startFixture(ARCHIVE_OFF, { engine: createNoiseEngine() });
  const call = async (...args: string[]): Promise<string> =>
    (await run(grpcurl ?? '', ['-plaintext', ...args], { maxBuffer: 64 * 1024 * 1024 })).stdout;
  expect(await call(service.target, 'list')).toContain(SERVICE);
  expect(await call(service.target, 'describe', `${SERVICE}.GenerateImage`)).toContain('stream');
  const { announced, hash, digest } = readImage(
    await call('-d', REQUEST, service.target, `${SERVICE}/GenerateImage`),
  );
  expect({ announced, hash }).toEqual({ announced: digest.toString('base64'), hash: digest.toString('hex') });
});

async function findGrpcurl(): Promise<string | undefined> {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), join('.sekai', 'bin')]) {
    const candidate = join(folder, 'grpcurl');
    if (
      await access(candidate, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return candidate;
  }
  return undefined;
}
