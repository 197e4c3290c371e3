/** Reads `input-{hash}.json`: only what ties the record to its image. The schema is documented in the README. */
import { isCanonicalUuid, isImageHash } from '../../proto/archive-event.ts';

/** The checked fields; others may stand beside them. */
export interface InputRecord {
  readonly schemaVersion: number;
  readonly requestId: string;
  readonly image: {
    readonly hash: string;
    readonly sizeBytes: number;
    readonly width: number;
    readonly height: number;
  };
}

/** A record, or what is wrong with it, one text per fault. */
export type ReadRecord = { readonly record: InputRecord } | { readonly faults: readonly string[] };

/** No fault quotes a value: a record holds a prompt, and a damaged one holds it anywhere. */
export function readInputRecord(bytes: Uint8Array): ReadRecord {
  const value = parseJson(bytes);
  if (value === undefined) return { faults: ['it is not JSON in UTF-8'] };
  const faults: string[] = [];
  const read = <T>(path: string, is: (found: unknown) => found is T, expected: string): T => {
    const found = path.split('.').reduce(member, value.json);
    if (!is(found)) faults.push(`${path} is not ${expected}`);
    // Never read when it is not a T: then there are faults.
    return found as T;
  };
  const record: InputRecord = {
    schemaVersion: read('schema_version', isCount, 'a whole number from 1'),
    requestId: read('request_id', isUuid, 'a canonical UUID'),
    image: {
      hash: read('image.hash', isHash, '64 lower-case hex digits'),
      sizeBytes: read('image.size_bytes', isCount, 'a whole number from 1'),
      width: read('image.width', isCount, 'a whole number from 1'),
      height: read('image.height', isCount, 'a whole number from 1'),
    },
  };
  read('image.media_type', isJpegType, '"image/jpeg"');
  return faults.length === 0 ? { record } : { faults };
}

/** What in a record does not fit its image, one text per fault. */
export function recordMismatches(
  record: InputRecord,
  image: { readonly hash: string; readonly sizeBytes: number | undefined },
): string[] {
  const { hash, sizeBytes } = record.image;
  return [
    ...(hash === image.hash ? [] : [`image.hash is ${hash}, the image's is ${image.hash}`]),
    ...(image.sizeBytes === undefined || sizeBytes === image.sizeBytes
      ? []
      : [`image.size_bytes is ${sizeBytes}, the image has ${image.sizeBytes}`]),
  ];
}

/** The document, wrapped because `null` is one; undefined when it is none. */
export function parseJson(bytes: Uint8Array): { readonly json: unknown } | undefined {
  try {
    return { json: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown };
  } catch {
    return undefined;
  }
}

const member = (parent: unknown, name: string): unknown =>
  typeof parent === 'object' && parent !== null && Object.hasOwn(parent, name)
    ? (parent as Record<string, unknown>)[name]
    : undefined;

const isCount = (found: unknown): found is number => Number.isSafeInteger(found) && Number(found) >= 1;
const isUuid = (found: unknown): found is string => typeof found === 'string' && isCanonicalUuid(found);
const isHash = (found: unknown): found is string => typeof found === 'string' && isImageHash(found);
const isJpegType = (found: unknown): found is 'image/jpeg' => found === 'image/jpeg';
