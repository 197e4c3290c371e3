/** Judges one pair by what the bucket really holds. */
import { pairKeys } from '../../proto/archive-event.ts';
import { TargetFault } from '../object-store.ts';
import type { ObjectReader } from '../s3/object-reader.ts';
import { describeFault } from './fault-text.ts';
import { readInputRecord, recordMismatches } from './input-record.ts';
import { checkObject, type Download, type Finding, type ObjectCheck } from './object-check.ts';

export type Verdict = 'good' | 'bad' | 'unchecked';

export interface CheckedObject {
  readonly role: 'image' | 'record';
  readonly key: string;
  readonly verdict: Verdict;
  /** Undefined when it was not downloaded. */
  readonly sizeBytes: number | undefined;
  readonly findings: readonly Finding[];
}

export interface CheckedPair {
  readonly imageHash: string;
  readonly verdict: Verdict;
  readonly objects: readonly [image: CheckedObject, record: CheckedObject];
}

/** Largest record that is read, bytes: a hundred times what prompts, labels and LoRAs at their limits make. */
const MAX_RECORD_BYTES = 4 * 1024 * 1024;

/** Checks both objects of `imageHash`: there, whole, belonging together, private. Rejects when `signal` aborts. */
export async function verifyPair(
  reader: ObjectReader,
  prefix: string,
  imageHash: string,
  signal: AbortSignal,
): Promise<CheckedPair> {
  const keys = pairKeys(prefix, imageHash);
  const [image, record] = await Promise.all([
    checkObject(reader, keys.image, 0, signal),
    checkObject(reader, keys.record, MAX_RECORD_BYTES, signal),
  ]);
  const objects = [
    judge('image', image, imageFindings(image.download, imageHash)),
    judge('record', record, recordFindings(record.download, imageHash, image.download?.sizeBytes)),
  ] as const;
  return { imageHash, verdict: worst(objects.map(({ verdict }) => verdict)), objects };
}

/** The bucket is not there: what it holds is an idle question. */
export const NO_BUCKET: Finding = {
  severity: 'unchecked',
  about: 'presence',
  message: 'there is no such bucket: check S3_BUCKET and S3_ENDPOINT',
};

/** Whether the bucket is there and whether its own policy makes it public. */
export async function verifyBucket(reader: ObjectReader, signal: AbortSignal): Promise<readonly Finding[]> {
  try {
    const status = await reader.policyStatus(signal);
    if (status.state === 'unknown') {
      // A HEAD of an object says 404 for a missing bucket, too; only this answer has a body with a code.
      if (/\bNoSuchBucket\b/.test(status.reason)) return [NO_BUCKET];
      return [
        { severity: 'note', about: 'privacy', message: `policy status is not known: ${status.reason}` },
      ];
    }
    const message = 'PUBLIC: the policy of the bucket opens it to everyone';
    return status.isPublic ? [{ severity: 'bad', about: 'privacy', message }] : [];
  } catch (error) {
    if (!(error instanceof TargetFault)) throw error;
    return [{ severity: 'unchecked', about: 'privacy', message: describeFault(error) }];
  }
}

/** `bad` outweighs `unchecked` outweighs `good`. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('bad')) return 'bad';
  return verdicts.includes('unchecked') ? 'unchecked' : 'good';
}

export const verdictOf = (findings: readonly Finding[]): Verdict =>
  worst(findings.map(({ severity }) => (severity === 'note' ? 'good' : severity)));

function judge(
  role: CheckedObject['role'],
  { key, download, findings }: ObjectCheck,
  more: readonly string[],
): CheckedObject {
  const all: Finding[] = [
    ...findings,
    ...more.map((message): Finding => ({ severity: 'bad', about: 'content', message })),
  ];
  return { role, key, verdict: verdictOf(all), sizeBytes: download?.sizeBytes, findings: all };
}

function imageFindings(download: Download | undefined, imageHash: string): string[] {
  if (download === undefined || download.sha256 === imageHash) return [];
  return [`its bytes have SHA-256 ${download.sha256}, not the hash in its name`];
}

function recordFindings(
  download: Download | undefined,
  imageHash: string,
  imageSizeBytes: number | undefined,
): readonly string[] {
  if (download === undefined) return [];
  if (download.bytes === undefined) return [`it has more than ${MAX_RECORD_BYTES} bytes`];
  const read = readInputRecord(download.bytes);
  if ('faults' in read) return read.faults;
  return recordMismatches(read.record, { hash: imageHash, sizeBytes: imageSizeBytes });
}
