/** A POST policy: parsing and judging. Texts are those of recorded AWS answers, where there is a record. */
import type { FormField } from './multipart-form.ts';
import { accessDenied, S3Error } from './s3-error.ts';

export interface PostPolicy {
  readonly expiration: Date;
  readonly conditions: readonly PolicyCondition[];
}

type PolicyCondition =
  | {
      readonly kind: 'eq' | 'starts-with';
      readonly name: string;
      readonly value: string;
      readonly text: string;
    }
  | { readonly kind: 'range'; readonly min: number; readonly max: number; readonly text: string };

/** @throws {S3Error} InvalidPolicyDocument */
export function parsePolicy(base64: string): PostPolicy {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)) {
    throw invalidPolicy('invalid Base64 encoding.');
  }
  const document = parseJson(Buffer.from(base64, 'base64'));
  const unexpected = Object.keys(document).find((name) => name !== 'expiration' && name !== 'conditions');
  if (unexpected !== undefined) throw invalidPolicy(`Unexpected: '${unexpected.toLowerCase()}'`);
  const { expiration, conditions } = document;
  if (expiration === undefined) throw invalidPolicy('Policy missing expiration.');
  if (conditions === undefined) throw invalidPolicy('Policy missing conditions.');
  if (!Array.isArray(conditions)) throw invalidPolicy("Invalid 'conditions' value: must be a List.");
  return { expiration: parseExpiration(expiration), conditions: conditions.map(parseCondition) };
}

interface Upload {
  readonly bucket: string;
  readonly fields: ReadonlyMap<string, FormField>;
  readonly now: Date;
}

/**
 * Judges everything but the file's size.
 * @throws {S3Error} AccessDenied with the first rule broken
 */
export function checkPolicy(policy: PostPolicy, upload: Upload): void {
  if (upload.now >= policy.expiration) throw againstPolicy('Policy expired.');
  for (const condition of policy.conditions) {
    if (!holds(condition, upload)) throw againstPolicy(`Policy Condition failed: ${condition.text}`);
  }
  const named = policy.conditions.flatMap((condition) =>
    condition.kind === 'range' ? [] : [condition.name],
  );
  const covered = new Set(named);
  // Ceph RGW and VersityGW insist on it; AWS has no record.
  if (!covered.has('$bucket')) throw againstPolicy('Policy missing condition: bucket');
  const extra = [...upload.fields].filter(([name]) => !needsNoCondition(name) && !covered.has(`$${name}`));
  if (extra.length > 0) {
    throw againstPolicy(`Extra input fields: ${extra.map(([, field]) => field.name).join(', ')}`);
  }
}

/** @throws {S3Error} EntityTooSmall, EntityTooLarge */
export function checkSize(policy: PostPolicy, sizeBytes: number): void {
  for (const condition of policy.conditions) {
    if (condition.kind !== 'range') continue;
    if (sizeBytes < condition.min) {
      throw new S3Error(
        400,
        'EntityTooSmall',
        'Your proposed upload is smaller than the minimum allowed size',
        {
          ProposedSize: String(sizeBytes),
          MinSizeAllowed: String(condition.min),
        },
      );
    }
    if (sizeBytes > condition.max) {
      throw new S3Error(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
        ProposedSize: String(sizeBytes),
        MaxSizeAllowed: String(condition.max),
      });
    }
  }
}

/** The largest file the policy lets in, bytes. */
export const maxSizeBytes = (policy: PostPolicy) =>
  Math.min(...policy.conditions.map((condition) => (condition.kind === 'range' ? condition.max : Infinity)));

const needsNoCondition = (name: string) =>
  name === 'x-amz-signature' || name === 'policy' || name === 'file' || name.startsWith('x-ignore-');

/** The documentation allows only exact matches for these; MinIO enforces it. */
const EXACT_ONLY = new Set(['$bucket', '$x-amz-algorithm', '$x-amz-credential', '$x-amz-date']);

function holds(condition: PolicyCondition, { bucket, fields }: Upload): boolean {
  if (condition.kind === 'range') return Number.isFinite(condition.min) && Number.isFinite(condition.max);
  const { kind, name, value } = condition;
  if (!name.startsWith('$')) return false;
  const sent = fields.get(name.slice(1))?.value;
  if (name === '$bucket') return kind === 'eq' && bucket === value && (sent === undefined || sent === bucket);
  // A condition on an absent field fails, even `starts-with ""`.
  if (sent === undefined) return false;
  // AWS fails keys with `$$` (boto3#4514).
  if (kind === 'eq') return sent === value && !(name === '$key' && value.includes('$$'));
  if (EXACT_ONLY.has(name)) return false;
  // A list of content types must match in each of its members.
  const parts = name === '$content-type' ? sent.split(',').map((part) => part.trim()) : [sent];
  return parts.every((part) => part.startsWith(value));
}

function parseJson(bytes: Buffer): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw invalidPolicy('Invalid JSON.');
  }
  if (!isObject(document)) throw invalidPolicy('Invalid JSON.');
  return document;
}

/** UTC with a literal Z; AWS and RGW refuse an offset. */
function parseExpiration(value: unknown): Date {
  const text = String(value);
  const date = new Date(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(text) ? text : Number.NaN);
  const real = !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 19) === text.slice(0, 19);
  if (typeof value !== 'string' || !real) throw invalidPolicy(`Invalid 'expiration' value: '${text}'`);
  return date;
}

function parseCondition(condition: unknown): PolicyCondition {
  if (Array.isArray(condition)) return parseListCondition(condition);
  if (!isObject(condition)) throw invalidPolicy('Invalid condition test: must be a List or Object.');
  const [entry, ...others] = Object.entries(condition);
  if (entry === undefined || others.length > 0) {
    throw invalidPolicy(
      'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
    );
  }
  const [name, value] = entry;
  if (value === null) throw invalidPolicy('Invalid JSON.');
  if (typeof value !== 'string') throw invalidPolicy('Invalid Simple-Condition: value must be a string.');
  return { kind: 'eq', name: `$${name.toLowerCase()}`, value, text: listText(['eq', `$${name}`, value]) };
}

function parseListCondition(list: readonly unknown[]): PolicyCondition {
  const [operation, first, second] = list;
  if (typeof operation !== 'string') throw invalidPolicy('Invalid Condition: missing operation identifier.');
  const kind = operation.toLowerCase();
  if (kind !== 'eq' && kind !== 'starts-with' && kind !== 'content-length-range') {
    throw invalidPolicy(`Invalid Condition: unknown operation '${operation}'.`);
  }
  if (list.length !== 3) throw invalidPolicy(`Invalid ${kind}: wrong number of arguments.`);
  const text = listText(list);
  if (kind === 'content-length-range') return { kind: 'range', min: bound(first), max: bound(second), text };
  if (typeof first !== 'string' || typeof second !== 'string') throw invalidPolicy('Invalid JSON.');
  return { kind, name: first.toLowerCase(), value: second, text };
}

/** A bound of content-length-range, bytes. AWS takes digits in a string too; NaN fails the condition later. */
function bound(value: unknown): number {
  const isText = typeof value === 'string';
  if (!isText && !(Number.isSafeInteger(value) && Number(value) >= 0)) throw invalidPolicy('Invalid JSON.');
  return isText && !/^\d{1,15}$/.test(value) ? Number.NaN : Number(value);
}

const listText = (list: readonly unknown[]) => `[${list.map((item) => JSON.stringify(item)).join(', ')}]`;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalidPolicy = (reason: string) =>
  new S3Error(400, 'InvalidPolicyDocument', `Invalid Policy: ${reason}`);

const againstPolicy = (reason: string) => accessDenied(`Invalid according to Policy: ${reason}`);
