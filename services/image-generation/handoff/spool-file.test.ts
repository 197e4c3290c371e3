import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeArchiveEvent } from '../../../proto/archive-event.ts';
import {
  DamagedSpoolFileError,
  QUEUE_FOLDER,
  readSpoolFile,
  spoolFileBytes,
  spoolFileName,
  type SpooledHandOff,
  TEMPORARY_FOLDER,
  writeSpoolFile,
} from './spool-file.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spool-file-'));
  for (const folder of [QUEUE_FOLDER, TEMPORARY_FOLDER]) await mkdir(join(directory, folder));
});
afterEach(() => rm(directory, { recursive: true }));

function handOff(trace: SpooledHandOff['trace']): SpooledHandOff {
  const image = Buffer.from('not really a picture');
  return {
    handoffId: randomUUID(),
    imageHash: createHash('sha256').update(image).digest('hex'),
    requestId: randomUUID(),
    createTime: new Date(),
    record: Buffer.from('{}'),
    image,
    trace,
  };
}

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test.each([
  ['no trace', {}],
  ['a trace', { traceparent: TRACEPARENT }],
  [
    'a trace with the state of its vendors',
    { traceparent: TRACEPARENT, tracestate: `a=1,b=${'x'.repeat(500)}` },
  ],
])('%s comes back with the hand-off, in a file of no more than the bytes foretold', async (_, trace) => {
  const given = handOff(trace);
  await writeSpoolFile(directory, given);
  const read = await readSpoolFile(directory, spoolFileName(given));
  expect({ ...read, record: Buffer.from(read.record) }).toEqual(given);
  const { size } = await stat(join(directory, QUEUE_FOLDER, spoolFileName(given)));
  expect(size).toBeLessThanOrEqual(spoolFileBytes(given));
});

test('a state that is too long is left out, the trace is kept', async () => {
  const given = handOff({ traceparent: TRACEPARENT, tracestate: 'x'.repeat(5_000) });
  await writeSpoolFile(directory, given);
  expect((await readSpoolFile(directory, spoolFileName(given))).trace).toEqual({ traceparent: TRACEPARENT });
});

test('a file from before there were traces is read', async () => {
  const { handoffId, imageHash, requestId, createTime, record, image } = handOff({});
  const event = encodeArchiveEvent({
    handoffId,
    imageHash,
    requestId,
    createTime,
    inputRecord: record,
    imageSizeBytes: image.length,
    imageMediaType: 'image/jpeg',
    image: { kind: 'chunked', chunkCount: 1, chunkBytes: 256 * 1024 },
  });
  const length = Buffer.alloc(4);
  length.writeUInt32BE(event.length);
  const path = join(directory, QUEUE_FOLDER, 'old.handoff');
  await writeFile(path, Buffer.concat([Buffer.from('SKH1'), length, event, image]));
  expect(await readSpoolFile(directory, 'old.handoff')).toMatchObject({ handoffId, imageHash, trace: {} });
});

test('an image that has lost its hash on the disk is damage, not a hand-off', async () => {
  const given = handOff({});
  await writeSpoolFile(directory, given);
  const path = join(directory, QUEUE_FOLDER, spoolFileName(given));
  const bytes = await readFile(path);
  bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
  await writeFile(path, bytes);
  await expect(readSpoolFile(directory, spoolFileName(given))).rejects.toThrow(DamagedSpoolFileError);
});
