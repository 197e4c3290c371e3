import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventSubject } from '../../../proto/archive-event.ts';
import { createStreams, type NatsFixture, startNatsFixture } from '../../../test/_support/nats-fixture.ts';
import { type PairBench, startPairBench } from '../testing/pair-bench.ts';
import { runCli } from '../testing/run-cli.ts';
import type { Check } from './check.ts';

let nats: NatsFixture;
let bench: PairBench;
beforeAll(async () => {
  nats = await startNatsFixture();
});
afterAll(() => nats[Symbol.asyncDispose]());
beforeEach(async () => {
  bench = await startPairBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

const environment = (): Record<string, string> => ({ ...bench.environment, NATS_URL: nats.server.url });

async function examine(more: Record<string, string> = {}, ...flags: string[]) {
  const { code, stdout } = await runCli(['doctor', '--json', ...flags], { ...environment(), ...more });
  const { verdict, checks } = JSON.parse(stdout) as { verdict: string; checks: Check[] };
  const of = (name: string): Check | undefined => checks.find((check) => check.name === name);
  return { code, verdict, checks, of };
}

describe('doctor', () => {
  it('has nothing to say against an archive that is well', async () => {
    await bench.addPair(Buffer.from('an image'));
    const { code, verdict, checks } = await examine();
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([]);
    expect(['ok', 'warn']).toContain(verdict);
    expect(code).toBe(0);
    expect(await bench.s3.objects.keys(bench.bucket)).toHaveLength(2);
  });

  it('says what is wrong and what to do, line by line', async () => {
    await bench.addPair(Buffer.from('an image'));
    const { code, stdout } = await runCli(['doctor'], { ...environment(), AWS_SECRET_ACCESS_KEY: 'wrong' });
    expect(stdout).toMatch(/^ok {4}configuration/m);
    expect(stdout).toMatch(
      /^FAIL {2}bucket .*403 SignatureDoesNotMatch.*\n +do: check AWS_SECRET_ACCESS_KEY/m,
    );
    expect(stdout).not.toContain('wrong-secret');
    expect(code).toBe(1);
  });

  it('writes only when it is told to, and tidies up', async () => {
    const { code, of } = await examine({}, '--write');
    expect(of('write')).toMatchObject({ status: 'ok' });
    expect(of('privacy')).toMatchObject({ status: 'ok' });
    expect(of('probe')).toMatchObject({
      status: 'ok',
      message: expect.stringContaining('removed') as string,
    });
    expect(await bench.s3.objects.keys(bench.bucket)).toEqual([]);
    expect(code).toBe(0);
  });

  it('says that a session has ended, as the store sees it', async () => {
    const session = { accessKeyId: 'ASIATEST', secretAccessKey: 'test-secret', sessionToken: 'token' };
    bench.s3.setCredentials([{ ...session, expiration: new Date(Date.now() - 60_000) }]);
    const ended = { AWS_ACCESS_KEY_ID: session.accessKeyId, AWS_SESSION_TOKEN: session.sessionToken };
    const { code, of } = await examine(ended);
    expect(of('bucket')).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('ExpiredToken') as string,
      cure: expect.stringContaining('renew the session token') as string,
    });
    expect(code).toBe(1);
  });

  it('names the switch when the bucket has ACLs disabled', async () => {
    await bench.s3.setBucket({ name: bench.bucket, objectOwnership: 'BucketOwnerEnforced' });
    const { code, of } = await examine({}, '--write');
    expect(of('write')).toMatchObject({
      status: 'fail',
      cure: expect.stringContaining('S3_OBJECT_ACL=none') as string,
    });
    expect(code).toBe(1);
    expect((await examine({ S3_OBJECT_ACL: 'none' }, '--write')).of('write')?.status).toBe('ok');
  });

  it('finds what is public', async () => {
    await bench.addPair(Buffer.from('an image'));
    await bench.s3.setBucket({ name: bench.bucket, publicRead: true });
    const { code, checks } = await examine();
    const messages = checks.filter(({ name }) => name === 'privacy').map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringContaining('anybody can read'),
      expect.stringContaining('the policy of the bucket opens it'),
    ]);
    expect(code).toBe(1);
  });

  it('reports every fault of the configuration, and still looks at NATS', async () => {
    const { code, of } = await examine({ S3_BUCKET: 'NO', ARCHIVER_CONCURRENCY: 'many' });
    expect(of('configuration')?.message).toContain('S3_BUCKET');
    expect(of('configuration')?.message).toContain('ARCHIVER_CONCURRENCY');
    expect(of('nats')).toBeDefined();
    expect(of('bucket')).toBeUndefined();
    expect(code).toBe(78);
  });

  it('names the cure when NATS is not there', async () => {
    const { code, of } = await examine({ NATS_URL: 'nats://127.0.0.1:9' });
    expect(of('nats')).toMatchObject({ status: 'fail', cure: 'check NATS_URL and that nats-server runs' });
    expect(code).toBe(1);
  });
});

describe('doctor, of the streams', () => {
  it('says that streams are missing, and creates none', async () => {
    await using bare = await startNatsFixture({ streams: false });
    const { of } = await examine({ NATS_URL: bare.server.url });
    expect(of('streams')).toMatchObject({
      status: 'warn',
      cure: expect.stringContaining('start an archiver') as string,
    });
    expect(of('streams')?.message).toContain('SEKAI_ARCHIVE_BLOBS');
    expect(await bare.manager.streams.list().next()).toEqual([]);
  });

  it('says what is not as it is described', async () => {
    await using other = await startNatsFixture({ streams: false });
    await createStreams(other.manager);
    await other.manager.streams.update('SEKAI_ARCHIVE_BLOBS', { max_bytes: 1_000_000 });
    const { of } = await examine({ NATS_URL: other.server.url });
    expect(of('streams')?.message).toContain(
      'SEKAI_ARCHIVE_BLOBS is not as deploy/nats describes it: max_bytes: is 1000000',
    );
  });

  it('knows a backlog that has waited too long', async () => {
    await using busy = await startNatsFixture();
    await busy.nats.jetstream().publish(eventSubject('ab'.repeat(32)), new Uint8Array(10));
    expect((await examine({ NATS_URL: busy.server.url })).of('backlog')).toMatchObject({ status: 'ok' });
    const later = () => Date.now() + 2 * 3600_000;
    const { stdout } = await runCli(
      ['doctor'],
      { ...environment(), NATS_URL: busy.server.url },
      { nowMs: later },
    );
    expect(stdout).toMatch(/^WARN {2}backlog +1 events wait, the oldest for (119|120) min|2 h/m);
  });
});

describe('doctor, of a spool', () => {
  let spool: string;
  beforeEach(async () => {
    spool = await mkdtemp(join(tmpdir(), 'sekai-spool-'));
  });
  afterEach(() => rm(spool, { recursive: true, force: true }));

  it('counts what waits in it', async () => {
    await mkdir(join(spool, 'queue'));
    const name = `${String(Date.now() - 600_000).padStart(15, '0')}-id.handoff`;
    await writeFile(join(spool, 'queue', name), Buffer.alloc(1000));
    const { of } = await examine({ SPOOL_DIR: spool, SPOOL_MAX_BYTES: '1000000' });
    expect(of('spool')).toMatchObject({ status: 'ok' });
    expect(of('spool')?.message).toContain('1 hand-offs wait (1000 bytes), the oldest for 10 min');
  });

  it('says so when it is not there, or too small', async () => {
    const gone = await examine({ SPOOL_DIR: join(spool, 'gone') });
    expect(gone.of('spool')).toMatchObject({ status: 'fail' });
    expect(gone.of('spool')?.message).toContain('ENOENT');
    const small = await examine({ SPOOL_DIR: spool, SPOOL_MAX_BYTES: String(2 ** 52) });
    expect(small.of('spool')).toMatchObject({ status: 'warn' });
  });
});
