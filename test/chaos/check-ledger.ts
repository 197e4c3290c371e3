/** Holds the objects against the ledger. Knows nothing of services, archivers and streams. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isPromise, readLedger } from './ledger.ts';

export interface CheckReport {
  /** Distinct images that callers were told are safe. */
  readonly promised: number;
  /** Pairs in the bucket, those nobody was promised included. */
  readonly pairs: number;
  readonly bytes: number;
  readonly lost: readonly string[];
  readonly corrupt: readonly string[];
}

const NAME = /^(?:output-([0-9a-f]{64})\.jpg|input-([0-9a-f]{64})\.json)$/;

/**
 * Every image that was promised must be there as a pair; everything that is there must be whole: bytes that have
 * the hash of their name, a record that speaks of them and of a request that asked for them, no half pairs.
 * @param directory The objects as files, named by their keys.
 */
export async function checkLedger(ledgerFile: string, directory: string): Promise<CheckReport> {
  const ledger = readLedger(ledgerFile);
  const found = await listObjects(directory);
  const asked = new Set(ledger.flatMap((line) => (line.line === 'asked' ? [line.requestId] : [])));
  const promised = new Map(ledger.filter(isPromise).map((line) => [line.imageHash, line.sizeBytes] as const));
  const lost: string[] = [];
  const corrupt: string[] = found.strangers.map((name) => `${name}: not an object of ours`);
  for (const hash of promised.keys()) {
    if (!found.images.has(hash)) lost.push(`${hash}: image`);
    if (!found.records.has(hash)) lost.push(`${hash}: record`);
  }
  let bytes = 0;
  for (const hash of found.images) {
    if (!found.records.has(hash) && !promised.has(hash))
      lost.push(`${hash}: record of an image in the bucket`);
    const image = join(directory, `output-${hash}.jpg`);
    bytes += (await stat(image)).size;
    if ((await sha256Of(image)) !== hash) corrupt.push(`${hash}: image`);
  }
  for (const hash of found.records) {
    if (!found.images.has(hash) && !promised.has(hash)) lost.push(`${hash}: image of a record in the bucket`);
    const fault = await recordFault(join(directory, `input-${hash}.json`), hash, promised.get(hash), asked);
    if (fault !== undefined) corrupt.push(`${hash}: record: ${fault}`);
  }
  return { promised: promised.size, pairs: found.records.size, bytes, lost, corrupt };
}

async function listObjects(directory: string) {
  const images = new Set<string>();
  const records = new Set<string>();
  const strangers: string[] = [];
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names) {
    const [, image, record] = NAME.exec(name) ?? [];
    if (image !== undefined) images.add(image);
    else if (record !== undefined) records.add(record);
    else strangers.push(name);
  }
  return { images, records, strangers };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}

interface Record {
  readonly request_id?: string;
  readonly image?: { readonly hash?: string; readonly size_bytes?: number };
}

async function recordFault(
  file: string,
  hash: string,
  sizeBytes: number | undefined,
  asked: ReadonlySet<string>,
): Promise<string | undefined> {
  let record: Record;
  try {
    record = JSON.parse(await readFile(file, 'utf8')) as Record;
  } catch {
    return 'not JSON';
  }
  if (record.image?.hash !== hash) return `speaks of image ${record.image?.hash}`;
  if (sizeBytes !== undefined && record.image.size_bytes !== sizeBytes)
    return `size ${record.image.size_bytes}`;
  return asked.has(record.request_id ?? '') ? undefined : `request ${record.request_id} was never asked`;
}
