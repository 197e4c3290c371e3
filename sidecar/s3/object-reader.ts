/** Reads objects and their access rules, signed or as anybody: for `exists`, for links and for the verify command. */
import type { Dispatcher } from 'undici';
import { NO_SPAN, type Span } from '../../services/runtime/tracing/tracing.ts';
import { TargetFault } from '../object-store.ts';
import {
  type GrantedAccess,
  type PublicAccessBlock,
  readAcl,
  readPolicyStatus,
  readPublicAccessBlock,
} from './access-rules.ts';
import type { Attempt, AttemptOutcome } from './attempt-loop.ts';
import type { FaultClass } from './error-classification.ts';
import { type AnonymousAnswer, knock } from './anonymous-answer.ts';
import { headOf, type ObjectHead, type OpenObject, openObject } from './open-object.ts';
import { type ListedObject, listObjects, type ListOptions } from './object-list.ts';
import { readAnswer, type S3Answer } from './s3-answer.ts';
import { failureOf, type S3Connection } from './s3-connection.ts';
import { type PresignedUrl, presignGetUrl, signRequest } from './sigv4.ts';
import { requestSpan } from './request-span.ts';
import type { Operation } from './target-faults.ts';

/** `forbidden` (401, 403): without s3:ListBucket, S3 answers so for a missing object, too. */
export type Found<T> =
  | ({ readonly state: 'present' } & T)
  | { readonly state: 'absent' }
  | { readonly state: 'forbidden' };

/** `unknown`: the store does not answer this question, or not to us; `reason` is for a person. */
export type Known<T> =
  | ({ readonly state: 'known' } & T)
  | { readonly state: 'unknown'; readonly reason: string };

/** Retries what a retry can help. All methods throw TargetFault, and the reason of `signal` when it aborts. */
export interface ObjectReader {
  /** `span`, which stays the caller's, is told what the request was like. */
  head(key: string, signal: AbortSignal, span?: Span): Promise<Found<{ readonly head: ObjectHead }>>;
  /** `range` as in the header, such as `bytes=0-0`. `anonymous`: without credentials, as anybody in the world. */
  get(
    key: string,
    options: { readonly range?: string; readonly anonymous?: boolean },
    signal: AbortSignal,
  ): Promise<Found<OpenObject>>;
  /** The object's grants. */
  getAcl(key: string, signal: AbortSignal): Promise<Known<{ readonly grants: readonly GrantedAccess[] }>>;
  /** Whether the bucket's policy makes it public; a bucket without a policy is not. */
  policyStatus(signal: AbortSignal): Promise<Known<{ readonly isPublic: boolean }>>;
  publicAccessBlock(signal: AbortSignal): Promise<Known<PublicAccessBlock>>;
  /** Objects whose key starts with `prefix`, in the order of their keys, read page by page. */
  list(options: ListOptions, signal: AbortSignal): AsyncIterable<ListedObject>;
  /** Asks for a list of the bucket as anybody in the world. */
  knock(signal: AbortSignal): Promise<AnonymousAnswer>;
  /** A link that reads one object without credentials for `lifetimeSeconds` (1 to 604800) at most. */
  downloadLink(key: string, lifetimeSeconds: number): Promise<PresignedUrl>;
}

export type { ListedObject } from './object-list.ts';
export type { ObjectHead, OpenObject } from './open-object.ts';

/** S3 refuses header signatures whose date differs by more, ms. */
const MAX_SKEW_MS = 15 * 60_000;

export function createObjectReader(connection: S3Connection): ObjectReader {
  return {
    head: (key, signal, span = NO_SPAN) => head(connection, key, signal, span),
    get: (key, options, signal) => get(connection, key, options, signal),
    getAcl: (key, signal) => {
      const url = connection.location.objectUrl(key, { acl: '' });
      const operation: Operation = { method: 'GET', target: `${key}?acl`, actions: ['s3:GetObjectAcl'] };
      return ask(connection, url, operation, readAcl, signal);
    },
    policyStatus: (signal) => {
      const url = connection.location.bucketUrl({ policyStatus: '' });
      const operation: Operation = {
        method: 'GET',
        target: '?policyStatus',
        actions: ['s3:GetBucketPolicyStatus'],
      };
      return ask(connection, url, operation, readPolicyStatus, signal);
    },
    publicAccessBlock: (signal) => {
      const url = connection.location.bucketUrl({ publicAccessBlock: '' });
      const operation: Operation = {
        method: 'GET',
        target: '?publicAccessBlock',
        actions: ['s3:GetBucketPublicAccessBlock'],
      };
      return ask(connection, url, operation, readPublicAccessBlock, signal);
    },
    list: (options, signal) => listObjects(connection, options, signal),
    knock: (signal) => knock(connection, signal),
    downloadLink: async (key, lifetimeSeconds) => {
      const { location, config, credentials, clock } = connection;
      const keys = await credentials.get();
      return presignGetUrl(location.objectUrl(key), keys, config.region, clock.now(), lifetimeSeconds);
    },
  };
}

async function head(
  connection: S3Connection,
  key: string,
  signal: AbortSignal,
  span: Span,
): Promise<Found<{ readonly head: ObjectHead }>> {
  const operation: Operation = { method: 'HEAD', target: key, actions: ['s3:GetObject'] };
  const url = connection.location.objectUrl(key);
  const answered = requestSpan(span, 'HEAD', url);
  const headers = { 'x-amz-checksum-mode': 'ENABLED' };
  const attempt = async (input: Attempt): Promise<AttemptOutcome<Found<{ head: ObjectHead }>>> => {
    const answer = await readAnswer(await sendSigned(connection, 'HEAD', url, headers, input));
    answered(answer.status);
    if (answer.status === 200) return done({ state: 'present', head: headOf(answer.headers) });
    return missing(connection, answer, operation, input);
  };
  return connection.attempts.run({ operation, timeoutMs: connection.attemptTimeoutMs(0), attempt }, signal);
}

async function get(
  connection: S3Connection,
  key: string,
  { range, anonymous = false }: { readonly range?: string; readonly anonymous?: boolean },
  signal: AbortSignal,
): Promise<Found<OpenObject>> {
  const operation: Operation = { method: 'GET', target: key, actions: ['s3:GetObject'] };
  const url = connection.location.objectUrl(key);
  const headers: Record<string, string> = range === undefined ? {} : { range };
  const attempt = async (input: Attempt): Promise<AttemptOutcome<Found<OpenObject>>> => {
    const response = anonymous
      ? await send(connection, 'GET', url, headers, input.signal)
      : await sendSigned(connection, 'GET', url, { ...headers, 'x-amz-checksum-mode': 'ENABLED' }, input);
    if (response.statusCode === 200 || response.statusCode === 206) {
      return done({
        state: 'present',
        ...openObject(response, operation, connection.location.origin, signal),
      });
    }
    return missing(connection, await readAnswer(response), operation, input);
  };
  const loop = anonymous ? connection.anonymousAttempts : connection.attempts;
  return loop.run({ operation, timeoutMs: connection.attemptTimeoutMs(0), attempt }, signal);
}

/** Asks for a small document. Refusals and answers of another kind are `unknown`. */
async function ask<T extends object>(
  connection: S3Connection,
  url: URL,
  operation: Operation,
  read: (answer: S3Answer) => T | undefined,
  signal: AbortSignal,
): Promise<Known<T>> {
  const attempt = async (input: Attempt): Promise<AttemptOutcome<Known<T>>> => {
    const answer = await readAnswer(await sendSigned(connection, 'GET', url, {}, input));
    const value = read(answer);
    if (value !== undefined) return done({ state: 'known', ...value });
    const failure = failureOf(answer, operation, connection);
    // Wrong credentials say nothing about what the store knows.
    const unanswered = failure.faultClass !== 'fatal' || isCredentialsFault(failure.fault);
    if (answer.status >= 300 && unanswered) return failure;
    const reason =
      answer.status < 300 ? `the store does not know ${operation.target}` : failure.fault.message;
    return done({ state: 'unknown', reason });
  };
  return connection.attempts.run({ operation, timeoutMs: connection.attemptTimeoutMs(0), attempt }, signal);
}

function sendSigned(
  connection: S3Connection,
  method: 'GET' | 'HEAD',
  url: URL,
  headers: Readonly<Record<string, string>>,
  { credentials, date, signal }: Attempt,
): Promise<Dispatcher.ResponseData> {
  const signed = signRequest({ method, url, headers }, credentials, connection.config.region, date);
  return send(connection, method, url, signed, signal);
}

function send(
  { pool }: S3Connection,
  method: 'GET' | 'HEAD',
  url: URL,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  // undici closes the connection after each HEAD, for servers that send a body with it, unless it is told not to.
  // Such a body is no HTTP: the parser ends the connection by it, as it does when one comes uncalled for.
  return pool.request({ method, path: `${url.pathname}${url.search}`, headers, signal, reset: false });
}

const isCredentialsFault = (fault: Error): boolean =>
  fault instanceof TargetFault && fault.kind === 'credentials';

/** 404 and 403 are answers to the question; anything else is a failure. */
function missing<T>(
  connection: S3Connection,
  answer: S3Answer,
  operation: Operation,
  attempt: Attempt,
): AttemptOutcome<Found<T>> {
  if (answer.status === 404) return done({ state: 'absent' });
  const failure = failureOf(
    answer,
    operation,
    connection,
    silentFault(answer, attempt, connection.config.region),
  );
  if (answer.status !== 401 && answer.status !== 403) return failure;
  return failure.faultClass === 'fatal' ? done({ state: 'forbidden' }) : failure;
}

/** What a refusal without a code must be: answers to HEAD have no body. */
function silentFault(
  { status, text, headers }: S3Answer,
  { credentials, date }: Attempt,
  region: string,
): FaultClass | undefined {
  if (text !== '') return undefined;
  // S3 answers an ended session token with 400, as it does a wrong region, which it names in a header.
  const rightRegion = (headers['x-amz-bucket-region'] ?? region) === region;
  if (status === 400 && credentials.sessionToken !== undefined && rightRegion) {
    return 'refresh-credentials';
  }
  const skewMs = Math.abs(Date.parse(headers['date'] ?? '') - date.getTime());
  return status === 403 && skewMs > MAX_SKEW_MS ? 'clock' : undefined;
}

const done = <T>(value: T): AttemptOutcome<T> => ({ ok: true, value });
