/**
 * Uploads as our adapter would never send them, signed by code that is not the adapter's, and what the adapter makes
 * of each answer: `stored`, or `{fault class}/{what the operator has to look at}`.
 */
import { Readable } from 'node:stream';
import { request } from 'undici';
import {
  BOUNDARY,
  encodeForm,
  type FormPlan,
  signForm,
} from '../../deploy/dev/local-s3/_support/signed-form.ts';
import { EventFault } from '../../proto/archive-event.ts';
import { classifyAnswer } from '../../sidecar/s3/error-classification.ts';
import { errorFacts, readAnswer } from '../../sidecar/s3/s3-answer.ts';
import { faultOfAnswer } from '../../sidecar/s3/target-faults.ts';
import type { S3Target } from './s3-target.ts';

export interface FormRule {
  readonly name: string;
  /** What is changed about a form that is good. */
  readonly plan?: (target: S3Target) => Partial<FormPlan>;
  /** Of the file; `none` for no file at all. Default: what fits. */
  readonly content?: string;
  /** The bucket of the URL. Default: the target's. */
  readonly bucket?: string;
  /** Sent without a length. */
  readonly chunked?: boolean;
  readonly contentType?: string;
  readonly answer: string;
}

const CONTENT = 'the content of the file';
const KEY = 'forms/object.txt';
/** SHA-256 of something else, base64. */
const WRONG_SHA256 = Buffer.alloc(32, 7).toString('base64');
const DAY_MS = 24 * 3600_000;

export const FORM_RULES: readonly FormRule[] = [
  { name: 'a good form', answer: 'stored' },
  {
    name: 'a secret that is not that of the access key',
    plan: ({ owner }) => ({ credential: { ...owner, secretAccessKey: 'wrong' } }),
    answer: 'fatal/credentials',
  },
  {
    name: 'an unknown access key',
    plan: ({ owner }) => ({ credential: { ...owner, accessKeyId: 'AKIANOBODYHASTHISKEY' } }),
    answer: 'refresh-credentials/credentials',
  },
  {
    name: 'a policy changed after it was signed',
    plan: ({ bucket }) => ({ tampered: { policy: policyOf(bucket, DAY_MS) } }),
    answer: 'fatal/credentials',
  },
  {
    name: 'a policy for another bucket',
    plan: () => ({ bucket: 'another-bucket' }),
    answer: 'fatal/configuration',
  },
  { name: 'a bucket that does not exist', bucket: 'nobody-made-this-bucket', answer: 'fatal/bucket' },
  {
    name: 'another key than the policy allows',
    plan: () => ({ tampered: { key: 'forms/another.txt' } }),
    answer: 'fatal/configuration',
  },
  {
    name: 'a file larger than the policy allows',
    content: `${CONTENT}!`,
    answer: 'fatal/OBJECT_SIZE_REFUSED',
  },
  {
    name: 'a file smaller than the policy allows',
    content: CONTENT.slice(1),
    answer: 'fatal/OBJECT_SIZE_REFUSED',
  },
  {
    name: 'another content type than the policy allows',
    plan: () => ({ tampered: { 'Content-Type': 'text/html' } }),
    answer: 'fatal/configuration',
  },
  {
    name: 'other metadata than the policy allows',
    plan: () => ({ tampered: { 'x-amz-meta-request-id': 'another' } }),
    answer: 'fatal/configuration',
  },
  {
    name: 'a checksum that is not that of the file',
    plan: () => ({
      fields: {
        ...goodFields,
        'x-amz-checksum-algorithm': 'SHA256',
        'x-amz-checksum-sha256': WRONG_SHA256,
      },
    }),
    answer: 'retry-once/network',
  },
  {
    name: 'a policy that has ended',
    plan: ({ bucket }) => ({ policy: JSON.parse(policyText(bucket, -60_000)) as unknown }),
    answer: 'clock/clock',
  },
  {
    name: 'a field that no condition covers',
    plan: () => ({ uncovered: { 'x-amz-meta-more': 'uncovered' } }),
    answer: 'fatal/configuration',
  },
  {
    name: 'no ACL where the policy wants one',
    plan: () => ({ tampered: { acl: undefined } }),
    answer: 'fatal/configuration',
  },
  {
    name: 'a public ACL where the policy wants a private one',
    plan: () => ({ tampered: { acl: 'public-read' } }),
    answer: 'fatal/configuration',
  },
  {
    name: 'no signature at all',
    plan: () => ({
      tampered: Object.fromEntries(
        ['policy', 'x-amz-signature', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date'].map((field) => [
          field,
          undefined,
        ]),
      ),
    }),
    answer: 'fatal/permission',
  },
  {
    name: 'a policy that is not JSON',
    plan: () => ({ policy: '{"expiration"' }),
    answer: 'fatal/configuration',
  },
  {
    name: 'a policy whose end is not in UTC',
    plan: ({ bucket }) => ({
      policy: policyText(bucket, DAY_MS).replace(/\.\d{3}Z/, '+00:00'),
    }),
    answer: 'fatal/configuration',
  },
  {
    name: 'a form without a file',
    content: 'none',
    answer: 'fatal/configuration',
  },
  { name: 'a body without a length', chunked: true, answer: 'fatal/configuration' },
  {
    name: 'a body that is no form',
    contentType: 'application/x-www-form-urlencoded',
    answer: 'fatal/configuration',
  },
  {
    name: 'a signature for another region',
    plan: () => ({ region: 'mars-north-1' }),
    answer: 'redirect/configuration',
  },
];

const goodFields = {
  key: KEY,
  acl: 'private',
  'Content-Type': 'text/plain',
  success_action_status: '201',
  'x-amz-meta-request-id': 'conformance',
};

/** Sends one form as `rule` wants it; resolves with what the adapter takes the answer for. */
export async function answerTo(rule: FormRule, target: S3Target): Promise<string> {
  const bucket = rule.bucket ?? target.bucket;
  const plan: FormPlan = {
    bucket,
    region: target.region,
    now: new Date(),
    credential: target.owner,
    fields: goodFields,
    conditions: [['content-length-range', CONTENT.length, CONTENT.length]],
    ...rule.plan?.(target),
  };
  // VersityGW 1.8 recognises the file by its name, and reads a file without one into the fields after it.
  const file = { content: rule.content ?? CONTENT, filename: 'object.txt' };
  const body = encodeForm(signForm(plan), rule.content === 'none' ? undefined : file);
  const response = await request(`${target.endpoint}/${bucket}`, {
    method: 'POST',
    headers: { 'content-type': rule.contentType ?? `multipart/form-data; boundary=${BOUNDARY}` },
    // A stream has no length that could be told beforehand.
    body: rule.chunked ? Readable.from([body]) : body,
  });
  const answer = await readAnswer(response);
  if ([200, 201, 204].includes(answer.status)) return 'stored';
  const facts = errorFacts(answer);
  const faultClass = classifyAnswer(facts, plan.region);
  const operation = { method: 'POST', target: KEY, actions: ['s3:PutObject'] } as const;
  const context = { bucket, prefix: '', region: plan.region, objectAcl: 'private' } as const;
  const fault = faultOfAnswer(facts, faultClass, operation, { ...context, origin: target.endpoint });
  return `${faultClass}/${fault instanceof EventFault ? fault.reason : fault.kind}`;
}

function policyText(bucket: string, lifetimeMs: number): string {
  return JSON.stringify({
    expiration: new Date(Date.now() + lifetimeMs).toISOString(),
    conditions: [
      { bucket },
      ...Object.entries(goodFields).map(([name, value]) => ({ [name]: value })),
      ['starts-with', '$x-amz-algorithm', ''],
      ['starts-with', '$x-amz-credential', ''],
      ['starts-with', '$x-amz-date', ''],
    ],
  });
}

const policyOf = (bucket: string, lifetimeMs: number): string =>
  Buffer.from(policyText(bucket, lifetimeMs)).toString('base64');
