import type { CredentialRing } from './credential-ring.ts';
import type { FormField } from './multipart-form.ts';
import { accessDenied, invalidArgument, S3Error, signatureMismatch } from './s3-error.ts';
import {
  type CredentialScope,
  hexBytes,
  parseAmzDate,
  parseScope,
  sameSignature,
  signText,
} from './signature-v4.ts';

/** As AWS names them when one is missing, in the order it looks for them. */
const AUTHENTICATION_FIELDS = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Signature',
] as const;

export interface PostAuthority {
  readonly region: string;
  readonly credentials: CredentialRing;
  readonly now: Date;
}

/** @throws {S3Error} InvalidArgument naming the first field that is missing */
export function checkRequiredFields(fields: ReadonlyMap<string, FormField>, hasFile: boolean): void {
  const missing = (name: string) => !fields.has(name.toLowerCase());
  if (missing('key')) throw missingField('key');
  if (!isAnonymous(fields)) {
    const first = [...AUTHENTICATION_FIELDS, 'policy'].find(missing);
    if (first !== undefined) throw missingField(first);
  }
  if (!hasFile) throw invalidArgument('POST requires exactly one file upload per request.', 'file', '0');
}

/**
 * Checks who sent the form: the signature is over the policy's text as received, whatever it decodes to.
 * @returns the policy's text
 * @throws {S3Error}
 */
export function authenticatePost(fields: ReadonlyMap<string, FormField>, authority: PostAuthority): string {
  const value = (name: string) => fields.get(name)?.value ?? '';
  if (fields.has('awsaccesskeyid')) throw signatureVersion2();
  if (isAnonymous(fields)) throw accessDenied();
  if (value('x-amz-algorithm') !== 'AWS4-HMAC-SHA256') {
    const message = 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"';
    throw invalidArgument(message, 'X-Amz-Algorithm', value('x-amz-algorithm'));
  }
  if (parseAmzDate(value('x-amz-date')) === undefined) {
    // "formated" is AWS's spelling.
    const message = 'X-Amz-Date must be formated via ISO8601 Long format';
    throw invalidArgument(message, 'X-Amz-Date', value('x-amz-date'));
  }
  const scope = checkScope(value('x-amz-credential'), value('x-amz-date'), authority.region);
  const token = fields.get('x-amz-security-token')?.value;
  const credential = authority.credentials.find(scope.accessKeyId, token, authority.now);
  const policy = value('policy');
  if (!sameSignature(signText(policy, credential.secretAccessKey, scope), value('x-amz-signature'))) {
    throw signatureMismatch({
      AWSAccessKeyId: scope.accessKeyId,
      StringToSign: policy,
      SignatureProvided: value('x-amz-signature'),
      StringToSignBytes: hexBytes(policy),
    });
  }
  return policy;
}

/** A policy alone does not authenticate: AWS takes such a form as anonymous. */
const isAnonymous = (fields: ReadonlyMap<string, FormField>) =>
  AUTHENTICATION_FIELDS.every((name) => !fields.has(name.toLowerCase()));

function checkScope(credential: string, amzDate: string, region: string): CredentialScope {
  const refuse = (message: string, details: Record<string, string> = {}) =>
    invalidArgument(message, 'X-Amz-Credential', credential, details);
  const scope = parseScope(credential);
  if (scope === undefined) {
    throw refuse(
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    );
  }
  if (scope.accessKeyId === '') {
    throw refuse('a non-empty Access Key (AKID) must be provided in the credential.');
  }
  if (!/^\d{8}$/.test(scope.day)) {
    throw refuse(
      `incorrect date format "${scope.day}". This date in the credential must be in the format "yyyyMMdd".`,
    );
  }
  if (scope.service !== 's3') {
    throw refuse(`incorrect service "${scope.service}". This endpoint belongs to "s3".`);
  }
  if (scope.terminal !== 'aws4_request') {
    throw refuse(`incorrect terminal "${scope.terminal}". This endpoint uses "aws4_request".`);
  }
  if (scope.region !== region) {
    throw refuse(`the region '${scope.region}' is wrong; expecting '${region}'`, { Region: region });
  }
  if (!amzDate.startsWith(scope.day)) {
    throw refuse(
      `Invalid credential date "${scope.day}". This date is not the same as X-Amz-Date: "${amzDate}".`,
    );
  }
  return scope;
}

function missingField(name: string): S3Error {
  const message = `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`;
  return invalidArgument(message, name, '');
}

function signatureVersion2(): S3Error {
  return new S3Error(
    400,
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  );
}
