/** Turns what the store said into errors that name the cure. No message ever quotes the store's own text. */
import { EventFault } from '../../proto/archive-event.ts';
import { TargetFault, type TargetFaultKind } from '../object-store.ts';
import { type FaultClass, type NetworkFailure, safeCause } from './error-classification.ts';
import type { S3ErrorFacts } from './s3-answer.ts';
import type { S3Config } from './s3-config.ts';

/** What was tried. */
export interface Operation {
  readonly method: 'POST' | 'GET' | 'HEAD' | 'DELETE';
  /** Key, or sub-resource such as `?acl`. */
  readonly target: string;
  /** IAM actions the credentials need for it. */
  readonly actions: readonly string[];
}

type FaultContext = Pick<S3Config, 'bucket' | 'prefix' | 'region' | 'objectAcl'> & {
  readonly origin: string;
};
type Remedy = readonly [kind: TargetFaultKind, cure: string];

/** The error for an answer of class `faultClass`. */
export function faultOfAnswer(
  facts: S3ErrorFacts,
  faultClass: FaultClass,
  operation: Operation,
  context: FaultContext,
): TargetFault | EventFault {
  const { status, code, requestId } = facts;
  const about = `S3 answered ${operation.method} ${operation.target} with ${status}${code === undefined ? '' : ` ${code}`}`;
  const message = requestId === undefined ? about : `${about} (request id ${requestId})`;
  if (code === 'EntityTooLarge' || code === 'EntityTooSmall' || status === 413) {
    return new EventFault('OBJECT_SIZE_REFUSED', message);
  }
  const [kind, cure] = remedy(facts, faultClass, operation, context);
  const { retryAfterMs } = facts;
  return new TargetFault(kind, message, cure, retryAfterMs === undefined ? {} : { retryAfterMs });
}

/** The error for a request that got no answer. */
export function faultOfNetwork(
  failure: NetworkFailure,
  operation: Operation,
  origin: string,
  cause: unknown,
): TargetFault {
  const message = `no answer from ${origin} to ${operation.method} ${operation.target}: ${failure.code}`;
  const [kind, cure] = NETWORK_REMEDIES[failure.where];
  return new TargetFault(kind, message, cure, safeCause(cause));
}

const NETWORK_REMEDIES: Readonly<Record<NetworkFailure['where'], Remedy>> = {
  network: ['network', 'check that S3_ENDPOINT is right and reachable from here'],
  tls: [
    'configuration',
    'check the scheme and host name of S3_ENDPOINT, and give a private certificate authority in NODE_EXTRA_CA_CERTS',
  ],
  closed: ['network', 'none needed: this process is stopping'],
};

/** Classes whose remedy does not depend on anything else; they come here when their retries have failed. */
const CLASS_REMEDIES: Readonly<Partial<Record<FaultClass, Remedy>>> = {
  throttle: ['throttled', 'the store is asking for fewer requests; lower ARCHIVER_CONCURRENCY if it goes on'],
  transient: [
    'unavailable',
    'the store or a proxy before it is in trouble; nothing to do but look at its state',
  ],
  'retry-once': [
    'network',
    'bytes change on the way: look at the proxies before the store, or set S3_CHECKSUM=none',
  ],
  clock: ['clock', "correct this machine's clock (NTP): the store takes signatures as outdated"],
};

function remedy(
  facts: S3ErrorFacts,
  faultClass: FaultClass,
  operation: Operation,
  context: FaultContext,
): Remedy {
  if (faultClass === 'refresh-credentials') return ['credentials', credentialsCure(facts.code)];
  if (faultClass === 'redirect') return ['configuration', regionCure(facts, context)];
  return (
    CLASS_REMEDIES[faultClass] ?? codeRemedy(facts, context) ?? statusRemedy(facts.status, operation, context)
  );
}

function regionCure({ region }: S3ErrorFacts, context: FaultContext): string {
  return region === undefined || region === context.region
    ? `check S3_ENDPOINT and S3_REGION: the bucket ${context.bucket} is elsewhere`
    : `set S3_REGION=${region}: that is where the bucket ${context.bucket} is`;
}

function codeRemedy(
  { code = '', policyRefused }: S3ErrorFacts,
  { bucket, objectAcl }: FaultContext,
): Remedy | undefined {
  const fieldCure = `the store does not take one of the fields: check S3_REGION, and try S3_OBJECT_ACL=none (now ${objectAcl}) and S3_CHECKSUM=none`;
  const shortPolicyCure = 'the store takes only short policies: use credentials without a session token';
  const remedies: Readonly<Record<string, Remedy>> = {
    SignatureDoesNotMatch: [
      'credentials',
      'check AWS_SECRET_ACCESS_KEY: it does not belong to the access key id',
    ],
    // VersityGW's word for InvalidAccessKeyId, with status 404.
    XAdminUserNotFound: ['credentials', credentialsCure('InvalidAccessKeyId')],
    NoSuchBucket: ['bucket', `create the bucket ${bucket}, or name another one in S3_BUCKET`],
    AccessControlListNotSupported: [
      'configuration',
      'the bucket has ACLs disabled: set S3_OBJECT_ACL=bucket-owner-full-control or S3_OBJECT_ACL=none',
    ],
    AuthorizationHeaderMalformed: ['configuration', 'check S3_REGION'],
    MalformedSecurityHeader: ['configuration', fieldCure],
    InvalidArgument: ['configuration', fieldCure],
    MaxMessageLengthExceeded: ['configuration', shortPolicyCure],
    MaxPostPreDataLengthExceeded: ['configuration', shortPolicyCure],
    QuotaExceeded: ['bucket', `raise the quota of the bucket ${bucket}`],
  };
  if (Object.hasOwn(remedies, code)) return remedies[code];
  if (code.startsWith('KMS.')) {
    return ['permission', 'allow the credentials kms:GenerateDataKey on the key of the bucket'];
  }
  return policyRefused
    ? ['configuration', 'the store refuses our POST policy by its own rules: report it with the request id']
    : undefined;
}

function statusRemedy(status: number, operation: Operation, context: FaultContext): Remedy {
  const { bucket, prefix } = context;
  switch (status) {
    case 401:
    case 403:
      return [
        'permission',
        `allow the credentials ${operation.actions.join(' and ')} on ${bucket}/${prefix}*; some stores answer so for a wrong secret key, too`,
      ];
    case 404:
      return ['bucket', `check that the bucket ${bucket} exists and that S3_ENDPOINT is an S3 store`];
    case 405:
    case 501:
      return operation.method === 'POST'
        ? [
            'configuration',
            'this store has no POST Object (Cloudflare R2 and Backblaze B2 have none): use one that has it',
          ]
        : ['configuration', `this store does not know ${operation.method} ${operation.target}`];
    case 507:
      return ['bucket', 'the store is full: make room'];
    default:
      return [
        'configuration',
        'the store does not take the request: look up the code in its manual, and what proxies before it change',
      ];
  }
}

function credentialsCure(code: string | undefined): string {
  return code === 'InvalidAccessKeyId'
    ? 'check AWS_ACCESS_KEY_ID: the store does not know it'
    : 'renew the session token: the temporary credentials have ended or are not valid';
}
