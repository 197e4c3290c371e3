/** Judges one pair by what the bucket really holds. */
import { pairKeys } from '../../proto/archive-event.ts';
import { TargetFault } from '../object-store.ts';
import type { ObjectReader } from '../s3/object-reader.ts';
import { describeFault } from './fault-text.ts';
import { readInputRecord, recordMismatches } from './input-record.ts';
import { checkObject, type Depth, type Download, type Finding, type ObjectCheck } from './object-check.ts';

export type Verdict = 'good' | 'bad' | 'unchecked';

export interface CheckedObject {
  readonly role: 'image' | 'record';
  readonly key: string;
  readonly verdict: Verdict;
  /** Undefined when it is not known. */
  readonly sizeBytes: number | undefined;
  /** Whether its bytes were read. */
  readonly downloaded: boolean;
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
  depth: Depth = 'deep',
): Promise<CheckedPair> {
  const keys = pairKeys(prefix, imageHash);
  const [image, record] = await Promise.all([
    checkObject(reader, keys.image, { depth, keepBytes: 0 }, signal),
    checkObject(reader, keys.record, { depth, keepBytes: MAX_RECORD_BYTES }, signal),
  ]);
  const objects = [
    judge('image', image, imageFindings(image, imageHash)),
    judge('record', record, recordFindings(record.download, imageHash, image.download?.sizeBytes)),
  ] as const;
  return { imageHash, verdict: worst(objects.map(({ verdict }) => verdict)), objects };
}

/** The bucket is not there: what it holds is an idle question. */
const NO_BUCKET: Finding = {
  severity: 'unchecked',
  about: 'presence',
  message: 'there is no such bucket: check S3_BUCKET and S3_ENDPOINT',
};

/** Whether what is known of the bucket leaves no answer to what is in it. */
export const isOutOfReach = (findings: readonly Finding[]): boolean =>
  findings.some(({ severity, about }) => severity === 'unchecked' && about === 'presence');

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
    // Whom the store does not know gets no answer to any other question either.
    const about = error.kind === 'credentials' ? 'presence' : 'privacy';
    return [{ severity: 'unchecked', about, message: describeFault(error) }];
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
  { key, head, download, findings }: ObjectCheck,
  more: readonly string[],
): CheckedObject {
  const all: Finding[] = [
    ...findings,
    ...more.map((message): Finding => ({ severity: 'bad', about: 'content', message })),
  ];
  const sizeBytes = download?.sizeBytes ?? head?.sizeBytes;
  const downloaded = download !== undefined;
  return { role, key, verdict: verdictOf(all), sizeBytes, downloaded, findings: all };
}

function imageFindings({ head, download }: ObjectCheck, imageHash: string): string[] {
  if (download !== undefined) {
    if (download.sha256 === imageHash) return [];
    return [`its bytes have SHA-256 ${download.sha256}, not the hash in its name`];
  }
  const kept = head?.sha256;
  return [
    ...(head?.sizeBytes === 0 ? ['it is empty'] : []),
    ...(kept === undefined || kept === imageHash ? [] : [`the store keeps SHA-256 ${kept} for it`]),
  ];
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
