/** The image's own install and start commands, run without a container engine: in CI, or with CI=true, as root. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type LocalS3, startLocalS3 } from '../../deploy/dev/local-s3/local-s3.ts';
import { type NatsServer, startNatsServer } from '../../deploy/dev/nats-server.ts';
import { createImageGenerationClient } from '../../services/client/image-generation-client.ts';
import { pairKeys } from '../../proto/archive-event.ts';
import { type BuiltImage, buildImage, whyNoImage } from '../_support/image/build-image.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const BUCKET = 'customers-sekai-background-image-gen';
/** Two installations and a build, on a busy machine. */
const BUILD_TIMEOUT_MS = 1_200_000;
/** Of some 10,000 files. */
const REMOVE_TIMEOUT_MS = 120_000;
const START_TIMEOUT_MS = 30_000;

const reason = whyNoImage();
if (reason !== undefined) console.log(`SKIPPED the image's steps: ${reason}`);

describe.skipIf(reason !== undefined)('the image, without a container engine', () => {
  let image: BuiltImage;
  let nats: NatsServer;
  let s3: LocalS3;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sekai-image-test-'));
    image = await buildImage(ROOT);
    nats = await startNatsServer({ directory: join(directory, 'nats') });
    s3 = await startLocalS3({
      directory: join(directory, 's3'),
      region: 'us-east-1',
      credentials: [{ accessKeyId: 'test', secretAccessKey: 'test-secret' }],
      buckets: [{ name: BUCKET }],
    });
  }, BUILD_TIMEOUT_MS);

  afterAll(async () => {
    await s3?.stop();
    await nats?.stop();
    image?.remove();
    rmSync(directory, { recursive: true, force: true });
  }, REMOVE_TIMEOUT_MS);

  /** Starts an entry point as the image's user; resolves with the line by which it says that it is ready. */
  async function start(args: readonly string[], environment: Record<string, string>, readyMessage: string) {
    const child = image.spawn([...image.stage.entrypoint, ...args], environment);
    const printed: string[] = [];
    const exited = once(child, 'exit') as Promise<[number | null]>;
    const ready = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not ready: ${printed.join('\n')}`)), START_TIMEOUT_MS);
      child.once('exit', (code) => reject(new Error(`ended with ${code}: ${printed.join('\n')}`)));
      for (const stream of [child.stdout, child.stderr]) {
        if (stream === null) continue;
        createInterface({ input: stream }).on('line', (line) => {
          printed.push(line);
          if (!line.includes(readyMessage)) return;
          clearTimeout(late);
          resolve(JSON.parse(line) as Record<string, unknown>);
        });
      }
    });
    return {
      ready,
      stop: async () => {
        child.kill('SIGTERM');
        return (await exited)[0];
      },
    };
  }

  test('holds what runs and nothing else', async () => {
    const script = `
      const { readdirSync, existsSync } = require('node:fs');
      const files = readdirSync('dist', { recursive: true });
      console.log(JSON.stringify({
        maps: files.some((file) => file.endsWith('main.js.map')),
        tests: files.filter((file) => file.endsWith('.test.js')),
        top: readdirSync('.').sort(),
        dev: ['typescript', 'vitest', 'oxlint'].filter((name) => existsSync('node_modules/' + name)),
      }))`;
    const { code, output } = await runToEnd(['node', '-e', script]);
    expect(code).toBe(0);
    expect(JSON.parse(output)).toEqual({
      maps: true,
      tests: [],
      top: ['README.md', 'dist', 'node_modules', 'package.json'],
      dev: [],
    });
  });

  test('cannot be changed by its own process, which is not root', async () => {
    const script = `
      const { appendFileSync, mkdirSync } = require('node:fs');
      const refused = (act) => { try { act(); return 'done'; } catch (error) { return error.code; } };
      console.log(JSON.stringify([
        process.getuid(),
        refused(() => appendFileSync('dist/sidecar/main.js', ' ')),
        refused(() => mkdirSync('new')),
        refused(() => appendFileSync('node_modules/zod/package.json', ' ')),
      ]))`;
    const { output } = await runToEnd(['node', '-e', script]);
    expect(JSON.parse(output)).toEqual([65_532, 'EACCES', 'EACCES', 'EACCES']);
  });

  async function runToEnd(command: readonly string[]): Promise<{ code: number | null; output: string }> {
    const child = image.spawn(command, {});
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += String(data)));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }

  test('serves a call and archives its image, with both entry points, and stops when told', async () => {
    const archiver = await start(
      ['dist/sidecar/main.js'],
      {
        ADMIN_LISTEN: '127.0.0.1:0',
        NATS_URL: nats.url,
        S3_ENDPOINT: s3.endpoint,
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test-secret',
      },
      'Archive: taking events',
    );
    const service = await start(
      image.stage.command,
      {
        GRPC_LISTEN: '127.0.0.1:0',
        ADMIN_LISTEN: '127.0.0.1:0',
        NATS_URL: nats.url,
        SPOOL_DIR: image.writableFolder('spool'),
      },
      'image service is ready',
    );
    const client = createImageGenerationClient({ target: `127.0.0.1:${String(service.ready['grpcPort'])}` });
    const { result, bytes } = await client.generateImage({ prompt: 'a calm sea', width: 256, height: 256 });
    client.close();
    expect(bytes.length).toBeGreaterThan(1_000);
    const keys = Object.values(pairKeys('customers/sekai/background-image-gen/', result.imageHash));
    await vi.waitFor(
      async () => expect((await s3.objects.keys(BUCKET)).toSorted()).toEqual(keys.toSorted()),
      {
        timeout: 20_000,
      },
    );
    expect([await service.stop(), await archiver.stop()]).toEqual([0, 0]);
  }, 60_000);

  test('has the command line tool as well', async () => {
    const { code, output } = await runToEnd([
      ...image.stage.entrypoint,
      'dist/sidecar/cli/main.js',
      '--help',
    ]);
    expect([code, output]).toEqual([0, expect.stringContaining('verify')]);
  });
});
