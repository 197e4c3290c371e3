/** `sekai-archive` against a store: what an operator sees when all is well, and when it is not. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Check } from '../../sidecar/cli/doctor/check.ts';
import { type Outcome, runCli } from '../../sidecar/cli/testing/run-cli.ts';
import type { S3Target } from './s3-target.ts';
import { environmentOf } from './store-at.ts';

/** Two starts of Node, on a machine that has other things to do. */
const PROCESSES_TIMEOUT_MS = 60_000;

/** An image and its record as files. */
interface PairFiles {
  readonly hash: string;
  readonly args: readonly string[];
}

export function describeOperatorCommands(target: () => S3Target): void {
  describe('sekai-archive', () => {
    let folder = '';
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sekai-conformance-'));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it('as processes: uploads a pair and finds it good', { timeout: PROCESSES_TIMEOUT_MS }, async () => {
      const { hash, args } = await writePair(folder);
      const environment = environmentOf(target());
      const upload = await runProcess(['upload', ...args], environment);
      expect(upload).toMatchObject({ code: 0, stderr: '' });
      const verify = await runProcess(['verify', hash], environment);
      expect(verify.stdout).toMatch(/^ok {2}/m);
      expect(verify.code).toBe(0);
    });

    it('as a process: finds what is missing', { timeout: PROCESSES_TIMEOUT_MS }, async () => {
      const verify = await runProcess(['verify', 'ab'.repeat(32)], environmentOf(target()));
      expect(verify.stdout).toContain('missing from the bucket');
      expect(verify.code).toBe(1);
    });

    it.each(WRONGS)(
      'names cause and cure: $name',
      async ({ change, nowMs = Date.now, upload, verify, doctor }) => {
        const pair = await writePair(folder);
        const environment = { ...environmentOf(target()), ...change(target()) };
        const uploaded = await runCli(['upload', ...pair.args], environment, { nowMs });
        expect(uploaded.stderr).toMatch(upload.says);
        expect(uploaded.code).toBe(upload.code);
        const verified = await runCli(['verify', pair.hash], environment, { nowMs });
        expect(verified.stdout).toMatch(verify.says);
        expect(verified.code).toBe(verify.code);
        const { checks } = await examine(environment, nowMs);
        const [check, status, says] = doctor;
        const found = checks.find(({ name }) => name === check);
        expect(found?.status).toBe(status);
        expect(`${found?.message}: ${found?.cure}`).toMatch(says);
      },
    );

    it('names cause and cure: no s3:ListBucket', async ({ skip }) => {
      const { unlisted } = target();
      if (unlisted === undefined) return skip('no such account in this store');
      const environment = {
        ...environmentOf(target()),
        S3_BUCKET: unlisted.bucket,
        AWS_ACCESS_KEY_ID: unlisted.credential.accessKeyId,
        AWS_SECRET_ACCESS_KEY: unlisted.credential.secretAccessKey,
      };
      const pair = await writePair(folder);
      expect((await runCli(['upload', ...pair.args], environment)).code).toBe(0);
      expect((await runCli(['verify', pair.hash], environment)).code).toBe(0);
      const missing = await runCli(['verify', 'ab'.repeat(32)], environment);
      expect(missing.stdout).toContain('without s3:ListBucket it answers so for a missing object, too');
      expect(missing.code).toBe(2);
      const { checks } = await examine(environment, Date.now);
      expect(checks).toContainEqual({
        name: 'bucket',
        status: 'warn',
        message: expect.stringContaining('cannot be listed') as string,
        cure: expect.stringContaining(`allow the credentials s3:ListBucket on ${unlisted.bucket}`) as string,
      });
      // The probe shows that the rest is as it should be.
      for (const name of ['write', 'read', 'privacy']) {
        expect(checks.find((check) => check.name === name)).toMatchObject({ name, status: 'ok' });
      }
    });

    it('doctor finds nothing wrong with the store when all is well', async () => {
      const { checks } = await examine(environmentOf(target()), Date.now);
      const words = checks.map(({ name, status }) => `${name} ${status}`);
      expect(words).toEqual([
        'configuration ok',
        // Nobody has started one for this suite.
        'nats fail',
        'streams skipped',
        'store ok',
        'clock ok',
        'bucket ok',
        'write ok',
        'read ok',
        'privacy ok',
        'probe ok',
      ]);
    });

    it('verify --prefix finds its pairs in the list of the store', async () => {
      const { args, hash } = await writePair(folder);
      const environment = { ...environmentOf(target()), S3_PREFIX: `customers/${hash}/` };
      expect((await runCli(['upload', ...args], environment)).code).toBe(0);
      const swept = await runCli(['verify', '--prefix'], environment);
      expect(swept).toEqual({ code: 0, stdout: '1 pair: 1 good, 0 bad, 0 not checked\n', stderr: '' });
    });
  });
}

interface DoctorReport {
  readonly checks: readonly Check[];
}

async function examine(environment: Record<string, string>, nowMs: () => number): Promise<DoctorReport> {
  const withoutNats = { ...environment, NATS_URL: 'nats://127.0.0.1:9' };
  const { stdout } = await runCli(['doctor', '--write', '--json'], withoutNats, { nowMs });
  return JSON.parse(stdout) as DoctorReport;
}

interface Wrong {
  readonly name: string;
  /** Changed variables. */
  readonly change: (target: S3Target) => Record<string, string>;
  readonly nowMs?: () => number;
  readonly upload: { readonly code: number; readonly says: RegExp };
  readonly verify: { readonly code: number; readonly says: RegExp };
  readonly doctor: readonly [check: string, status: Check['status'], says: RegExp];
}

const WRONGS: readonly Wrong[] = [
  {
    name: 'a wrong secret',
    change: () => ({ AWS_SECRET_ACCESS_KEY: 'wrong' }),
    upload: { code: 1, says: /check AWS_SECRET_ACCESS_KEY/ },
    verify: { code: 2, says: /check AWS_SECRET_ACCESS_KEY/ },
    doctor: ['bucket', 'fail', /check AWS_SECRET_ACCESS_KEY/],
  },
  {
    name: 'an unknown access key',
    change: () => ({ AWS_ACCESS_KEY_ID: 'AKIANOBODYHASTHISKEY' }),
    upload: { code: 1, says: /check AWS_ACCESS_KEY_ID/ },
    verify: { code: 2, says: /check AWS_ACCESS_KEY_ID/ },
    doctor: ['bucket', 'fail', /check AWS_ACCESS_KEY_ID/],
  },
  {
    name: 'temporary credentials that have ended',
    change: () => ({ AWS_SESSION_TOKEN: 'ended', AWS_CREDENTIAL_EXPIRATION: '2026-01-02T03:04:05Z' }),
    upload: { code: 1, says: /ended at 2026-01-02T03:04:05.000Z: renew AWS_SESSION_TOKEN/ },
    verify: { code: 2, says: /ended at 2026-01-02T03:04:05.000Z: renew AWS_SESSION_TOKEN/ },
    doctor: ['bucket', 'fail', /ended at 2026-01-02T03:04:05.000Z: renew AWS_SESSION_TOKEN/],
  },
  {
    name: 'a bucket that is not there',
    change: () => ({ S3_BUCKET: 'nobody-made-this-bucket' }),
    upload: { code: 1, says: /create the bucket nobody-made-this-bucket/ },
    verify: { code: 2, says: /there is no such bucket: check S3_BUCKET/ },
    doctor: ['bucket', 'fail', /create the bucket nobody-made-this-bucket/],
  },
  {
    name: 'a clock that is an hour slow: it is put right by the answers of the store',
    change: () => ({}),
    nowMs: () => Date.now() - 3600_000,
    upload: { code: 0, says: /^$/ },
    verify: { code: 0, says: /^ok/ },
    doctor: ['clock', 'fail', /3[56]\d\d s behind the store's: correct this machine's clock/],
  },
  {
    name: 'nobody listens',
    change: () => ({ S3_ENDPOINT: 'http://127.0.0.1:9' }),
    upload: { code: 1, says: /check that S3_ENDPOINT is right and reachable/ },
    verify: { code: 2, says: /check that S3_ENDPOINT is right and reachable/ },
    doctor: ['store', 'fail', /check that S3_ENDPOINT is right and reachable/],
  },
];

/** Runs the program as an operator does. */
function runProcess(args: readonly string[], environment: Record<string, string>): Promise<Outcome> {
  return new Promise((resolve) => {
    const program = [join('dist', 'sidecar', 'cli', 'main.js'), ...args];
    const child = execFile(process.execPath, program, { env: environment }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

async function writePair(folder: string): Promise<PairFiles> {
  const scan = randomBytes(40_000);
  const image = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), scan, Buffer.from([0xff, 0xd9])]);
  const hash = createHash('sha256').update(image).digest('hex');
  const record = {
    schema_version: 1,
    request_id: '00000000-0000-4000-8000-000000000001',
    image: { hash, size_bytes: image.length, width: 640, height: 480, media_type: 'image/jpeg' },
  };
  const files = [join(folder, `${hash}.jpg`), join(folder, `${hash}.json`)] as const;
  await writeFile(files[0], image);
  await writeFile(files[1], JSON.stringify(record));
  return { hash, args: [files[0], '--record', files[1]] };
}
