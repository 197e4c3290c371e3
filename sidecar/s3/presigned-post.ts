/** POST policies for S3's browser-style upload, signed with SigV4. Pure: no clock, no input or output. */
import { amzDate, type Credentials, credentialScope, SIGNING_ALGORITHM, signText } from './sigv4.ts';

/** One object, described completely: the policy allows exactly this upload and nothing else. */
export interface PostSpec {
  readonly bucket: string;
  readonly key: string;
  readonly region: string;
  readonly contentType: string;
  /** Exact size of the file, bytes. */
  readonly sizeBytes: number;
  /** SHA-256 of the file, 32 bytes; S3 then verifies and stores it. */
  readonly sha256?: Uint8Array;
  /** Absent: no ACL is sent, the bucket's default holds. */
  readonly acl?: 'private' | 'bucket-owner-full-control';
  /** User metadata; lower-case names without `x-amz-meta-`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** How long the policy may be used, seconds; see {@link DEFAULT_POLICY_SECONDS}. */
  readonly lifetimeSeconds?: number;
}

export type FormField = readonly [name: string, value: string];

/** What to send. The fields are secrets while the policy lives: never log them. */
export interface PresignedPost {
  /** All fields that come before the file, in order. */
  readonly fields: readonly FormField[];
  /** When the policy ends, never later than the credentials. */
  readonly expiresAt: Date;
}

export const DEFAULT_POLICY_SECONDS = 600;
/** VersityGW refuses policies whose `x-amz-date` is older than an hour, whatever their expiration says. */
export const MAX_POLICY_SECONDS = 3600;

// Without "$": S3 expands `${filename}` in every field and fails on "$$" (boto3 issue 4514).
const KEY = /^[a-zA-Z0-9._/-]{1,1024}$/;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const METADATA_NAME = /^[a-z0-9-]+$/;
const FIELD_VALUE = /^[\x20-\x7e]*$/;

/**
 * Signs a POST policy for one object as of `now`. Fields and conditions come from one list, so that no field is
 * uncovered and no condition without a field: S3 refuses both.
 * @throws {RangeError} when the spec cannot be expressed in a form that S3 accepts.
 */
export function presignPost(spec: PostSpec, credentials: Credentials, now: Date): PresignedPost {
  checkSpec(spec);
  const fields = signedFields(spec, credentials, now);
  for (const [name, value] of fields) checkFieldValue(name, value);
  const expiresAt = policyEnd(spec.lifetimeSeconds ?? DEFAULT_POLICY_SECONDS, credentials, now);
  const policy = Buffer.from(policyDocument(spec, fields, expiresAt)).toString('base64');
  const signature = signPolicy(policy, credentials.secretAccessKey, now, spec.region);
  return { fields: [...fields, ['policy', policy], ['x-amz-signature', signature]], expiresAt };
}

/** The signature of a policy: over its base64 text, not over the JSON. */
export function signPolicy(
  policyBase64: string,
  secretAccessKey: string,
  date: Date,
  region: string,
): string {
  return signText(policyBase64, secretAccessKey, date, region);
}

function signedFields(spec: PostSpec, credentials: Credentials, now: Date): FormField[] {
  const fields: FormField[] = [['key', spec.key]];
  if (spec.acl !== undefined) fields.push(['acl', spec.acl]);
  // 201 asks for a body that names the key under which the object was stored.
  fields.push(['Content-Type', spec.contentType], ['success_action_status', '201']);
  if (spec.sha256 !== undefined) {
    fields.push(
      ['x-amz-checksum-algorithm', 'SHA256'],
      ['x-amz-checksum-sha256', Buffer.from(spec.sha256).toString('base64')],
    );
  }
  for (const [name, value] of Object.entries(spec.metadata ?? {})) fields.push([`x-amz-meta-${name}`, value]);
  fields.push(
    ['x-amz-algorithm', SIGNING_ALGORITHM],
    ['x-amz-credential', `${credentials.accessKeyId}/${credentialScope(now, spec.region)}`],
    ['x-amz-date', amzDate(now)],
  );
  if (credentials.sessionToken !== undefined) fields.push(['x-amz-security-token', credentials.sessionToken]);
  return fields;
}

function policyDocument(spec: PostSpec, fields: readonly FormField[], expiresAt: Date): string {
  return JSON.stringify({
    expiration: expiresAt.toISOString(),
    conditions: [
      { bucket: spec.bucket },
      ...fields.map(([name, value]) => ({ [name]: value })),
      ['content-length-range', spec.sizeBytes, spec.sizeBytes],
    ],
  });
}

function policyEnd(lifetimeSeconds: number, credentials: Credentials, now: Date): Date {
  const end = now.getTime() + Math.min(lifetimeSeconds, MAX_POLICY_SECONDS) * 1000;
  return new Date(Math.min(end, credentials.expiresAt?.getTime() ?? end));
}

function checkSpec(spec: PostSpec): void {
  if (!KEY.test(spec.key)) throw new RangeError('object keys are of letters, digits, ".", "_", "/" and "-"');
  if (!BUCKET.test(spec.bucket)) throw new RangeError('the bucket name is not valid');
  if (!Number.isSafeInteger(spec.sizeBytes) || spec.sizeBytes < 0) {
    throw new RangeError('the size is a whole number of bytes');
  }
  if (spec.sha256 !== undefined && spec.sha256.length !== 32) throw new RangeError('a SHA-256 has 32 bytes');
  for (const name of Object.keys(spec.metadata ?? {})) {
    if (!METADATA_NAME.test(name)) {
      throw new RangeError('metadata names are of lower-case letters, digits and "-"');
    }
  }
}

function checkFieldValue(name: string, value: string): void {
  // The value stays out of the message: it may be the session token.
  if (!FIELD_VALUE.test(value) || value.includes('${')) {
    throw new RangeError(`form field ${name} is not printable ASCII, or holds "\${"`);
  }
}
