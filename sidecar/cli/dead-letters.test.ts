import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { STREAM_DEAD } from '../../proto/archive-event.ts';
import { openArchiveBench, testImage } from '../../test/_support/archive-bench.ts';
import { natsServerBinaries } from '../../test/_support/nats-binaries.ts';
import { openOperatorQueue } from '../jetstream/jetstream-operator-queue.ts';
import { type LetterBench, openLetterBench, PROMPT } from './testing/letter-bench.ts';
import { runCli } from './testing/run-cli.ts';
import { natsAccessByUrls } from '../../services/runtime/nats-access.ts';

const KIB = 1024;
const never = new AbortController().signal;

describe.each(natsServerBinaries())('dead-letters on nats-server $version', ({ binary }) => {
  let letters: LetterBench;

  beforeAll(async () => {
    letters = await openLetterBench(binary);
  });
  afterAll(() => letters.bench.close());
  afterEach(() => letters.bench.empty());

  it('says when there are none', async () => {
    expect(await letters.run('list')).toEqual({ code: 0, stdout: 'no dead letters\n', stderr: '' });
    expect(await letters.run('replay', '--all')).toMatchObject({ code: 0, stdout: 'no dead letters\n' });
  });

  it('lists letters, oldest first, with what they failed for and what is kept', async () => {
    const [small, large] = [testImage(KIB), testImage(600 * KIB)];
    const first = await letters.bury(small);
    const second = await letters.bury(large, { chunkBytes: 256 * KIB });
    const { code, stdout } = await letters.run('list');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^ID +REASON +AGE +BYTES +HASH +DETAIL *$/);
    expect(lines[1]).toContain(`${first.handoffId}  HASH_MISMATCH`);
    expect(lines[1]).toMatch(new RegExp(`\\d s +\\d+  ${small.hash}  image has another SHA-256$`));
    expect(lines[2]).toContain('+3 chunks');
    const json = (await letters.run('list', '--json')).stdout.trim().split('\n');
    expect(json.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { id: first.handoffId, image_hash: small.hash, reason: 'HASH_MISMATCH', chunks_kept: 0 },
      { id: second.handoffId, image_hash: large.hash, chunks_kept: 3 },
    ]);
  });

  it('shows a letter without the prompt, and the record when asked for it', async () => {
    const image = testImage(KIB);
    const event = await letters.bury(image);
    for (const flags of [[], ['--json']]) {
      const { code, stdout } = await letters.run('show', event.handoffId, ...flags);
      expect(code).toBe(0);
      for (const text of [
        image.hash,
        event.requestId,
        'inline, 1024 bytes',
        `${PROMPT.length} bytes, SHA-256`,
      ]) {
        expect(stdout).toContain(text);
      }
      expect(stdout).not.toContain(PROMPT);
    }
    expect(await letters.run('show', image.hash, '--record')).toEqual({
      code: 0,
      stdout: `${Buffer.from(event.inputRecord).toString()}\n`,
      stderr: '',
    });
  });

  it('shows a payload that is no event, and no bytes of it', async () => {
    const { hash } = testImage(1);
    await letters.buryPayload(hash, 'seq-7', Buffer.from(`\u0007 ${PROMPT}`));
    const { code, stdout } = await letters.run('show', 'seq-7');
    expect(code).toBe(0);
    expect(stdout).toMatch(/decodable +false/);
    expect(stdout).not.toContain(PROMPT);
    expect(await letters.run('show', 'seq-7', '--record')).toMatchObject({ code: 1, stdout: '' });
  });

  it('lets no letter talk to the terminal', async () => {
    const evil = `\u001B]0;owned\u0007\u202E`;
    await letters.buryPayload(evil, randomUUID(), Buffer.from('x'));
    for (const args of [['list'], ['show', evil], ['drop', evil, '--yes']]) {
      const { stdout, stderr } = await letters.run(...args);
      expect(`${stdout}${stderr}`).not.toMatch(/\p{Cf}|(?!\n)\p{Cc}/u);
    }
    expect(await letters.count(STREAM_DEAD)).toBe(0);
  });

  it('drops what it is told to, and nothing else', async () => {
    const images = [testImage(600 * KIB), testImage(600 * KIB)] as const;
    const gone = await letters.bury(images[0], { chunkBytes: 256 * KIB });
    const kept = await letters.bury(images[1], { chunkBytes: 256 * KIB });
    const { code, stdout } = await letters.run('drop', gone.handoffId, '--yes');
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${images[0].hash}.${gone.handoffId}: dropped\n` });
    expect(await letters.count(STREAM_DEAD)).toBe(4);
    expect((await letters.run('list')).stdout).toContain(kept.handoffId);
    expect(await letters.run('drop', gone.handoffId, '--yes')).toMatchObject({
      code: 1,
      stderr: `${gone.handoffId}: there is no such dead letter\n`,
    });
  });

  it('spares a letter that is buried again while it is dropped', async () => {
    const image = testImage(600 * KIB);
    const event = await letters.bury(image, { chunkBytes: 256 * KIB });
    const queue = await openOperatorQueue(natsAccessByUrls([letters.bench.server.url]), never);
    try {
      for await (const letter of queue.letters(never)) {
        await letters.publishChunks(event, image, 256 * KIB, []);
        await letters.buryPayload(image.hash, event.handoffId, letter.payload);
        await queue.drop(letter);
        await queue.drop(letter);
      }
    } finally {
      await queue.close();
    }
    expect(await letters.count(STREAM_DEAD)).toBe(4);
    expect((await letters.run('show', event.handoffId, '--json')).stdout).toContain('"chunks_kept":3');
  });

  it('drops nothing without consent', async () => {
    const event = await letters.bury(testImage(KIB));
    const args = ['dead-letters', 'drop', event.handoffId];
    const environment = { NATS_URL: letters.bench.server.url };
    const nobody = await runCli(args, environment);
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toContain('there is no --yes');
    const questions: string[] = [];
    const answer = (yes: boolean) => (question: string) => {
      questions.push(question);
      return Promise.resolve(yes);
    };
    expect((await runCli(args, environment, { confirm: answer(false) })).stderr).toContain('nothing done');
    expect(await letters.count(STREAM_DEAD)).toBe(1);
    expect((await runCli(args, environment, { confirm: answer(true) })).code).toBe(0);
    expect(await letters.count(STREAM_DEAD)).toBe(0);
    expect(questions).toHaveLength(2);
  });

  it('wants one image named where an id names letters of several', async () => {
    const [one, two] = [testImage(1), testImage(2)];
    for (const { hash } of [one, two]) await letters.buryPayload(hash, 'seq-1', Buffer.from('x'));
    const unclear = await letters.run('drop', 'seq-1', '--yes');
    expect(unclear).toMatchObject({ code: 1, stdout: '' });
    expect(unclear.stderr).toContain('letters of 2 images');
    expect(await letters.run('drop', `${one.hash}.seq-1`, '--yes')).toMatchObject({ code: 0 });
    expect((await letters.run('list')).stdout).toContain(two.hash);
  });

  it('leaves other letters their chunks when a name in the stream is a pattern', async () => {
    const event = await letters.bury(testImage(600 * KIB), { chunkBytes: 256 * KIB });
    await letters.bench.connection.jetstream().publish(`sekai.archive.dead.event.*.${event.handoffId}`, 'x');
    expect(await letters.run('drop', `*.${event.handoffId}`, '--yes')).toMatchObject({ code: 0 });
    expect(await letters.count(STREAM_DEAD)).toBe(4);
    expect((await letters.run('show', event.handoffId, '--json')).stdout).toContain('"chunks_kept":3');
  });

  it('exits with 2 and a cure when NATS cannot be asked', async () => {
    const bare = await openBareServer(binary);
    try {
      const { code, stderr } = await runCli(['dead-letters', 'list'], { NATS_URL: bare.url });
      expect(code).toBe(2);
      expect(stderr).toBe(
        'this NATS has no archive: check NATS_URL; the first archiver that starts creates the streams\n',
      );
    } finally {
      await bare.close();
    }
    const gone = await runCli(['dead-letters', 'list'], { NATS_URL: bare.url });
    expect(gone).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('NATS cannot be reached') as string,
    });
  });

  it('exits with 64 for wrong usage and 78 for a wrong configuration', async () => {
    for (const args of [['replay'], ['replay', 'x', '--all'], ['drop'], ['show'], ['bury']]) {
      expect((await letters.run(...args)).code).toBe(64);
    }
    expect(await runCli(['dead-letters', 'list'], { NATS_URL: 'http://x' })).toMatchObject({ code: 78 });
  });
});

async function openBareServer(binary: string): Promise<{ url: string; close(): Promise<void> }> {
  const bench = await openArchiveBench(binary);
  for (const stream of ['KV_sekai-archived', STREAM_DEAD]) await bench.jsm.streams.delete(stream);
  return { url: bench.server.url, close: () => bench.close() };
}
