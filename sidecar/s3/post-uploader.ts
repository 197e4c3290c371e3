import type { Readable } from 'node:stream';
import { NO_SPAN, type Span } from '../../services/runtime/tracing/tracing.ts';
import { TargetFault, type StoredObject } from '../object-store.ts';
import type { Attempt, AttemptOutcome } from './attempt-loop.ts';
import { multipartForm } from './multipart-form.ts';
import { DEFAULT_POLICY_SECONDS, MAX_POLICY_SECONDS, type PostSpec, presignPost } from './presigned-post.ts';
import { readAnswer, type S3Answer } from './s3-answer.ts';
import { failureOf, type S3Connection } from './s3-connection.ts';
import type { Operation } from './target-faults.ts';
import { requestSpan } from './request-span.ts';
import { childText, parseXml } from './xml.ts';

/** What the store said of a stored object. */
export interface UploadReceipt {
  /** Without quotes; not every store gives one. */
  readonly etag?: string;
}

/**
 * Uploads one object by presigned POST, with a fresh policy for each attempt.
 * @throws {TargetFault} and {EventFault} as ObjectStore.put does; the reason of `signal` when it aborts.
 */
export async function uploadByPost(
  connection: S3Connection,
  object: StoredObject,
  signal: AbortSignal,
  span: Span = NO_SPAN,
): Promise<UploadReceipt> {
  const { origin, formPath } = connection.location;
  const answered = requestSpan(span, 'POST', new URL(formPath, origin));
  span.set({ 'http.request.body.size': object.body.length });
  const timeoutMs = connection.attemptTimeoutMs(object.body.length);
  const spec = specOf(connection, object, timeoutMs);
  const operation: Operation = {
    method: 'POST',
    target: object.key,
    actions: spec.acl === undefined ? ['s3:PutObject'] : ['s3:PutObject', 's3:PutObjectAcl'],
  };
  const attempt = (input: Attempt): Promise<AttemptOutcome<UploadReceipt>> =>
    postOnce(connection, object, spec, operation, input, answered);
  return connection.attempts.run({ operation, timeoutMs, attempt }, signal);
}

async function postOnce(
  connection: S3Connection,
  object: StoredObject,
  spec: PostSpec,
  operation: Operation,
  { credentials, date, signal }: Attempt,
  answered: (statusCode: number) => void,
): Promise<AttemptOutcome<UploadReceipt>> {
  const post = presignPost(spec, credentials, date);
  const filename = object.key.slice(object.key.lastIndexOf('/') + 1);
  const form = multipartForm(post.fields, { filename, contentType: object.contentType, bytes: object.body });
  const response = await connection.pool.request({
    method: 'POST',
    path: connection.location.formPath,
    headers: { 'content-type': form.contentType, 'content-length': String(form.lengthBytes) },
    // undici takes any iterable of buffers; its types know only streams. An array can be sent again and is not copied.
    body: form.body as unknown as Readable,
    signal,
  });
  answered(response.statusCode);
  const answer = await readAnswer(response);
  if (isSuccess(answer)) return receiptOf(answer, object.key);
  // An upload that took longer than its policy lived says nothing about the clock.
  const outlived = connection.clock.now() > post.expiresAt;
  const failure = failureOf(answer, operation, connection);
  return outlived && failure.faultClass === 'clock' ? { ...failure, faultClass: 'retry-once' } : failure;
}

function specOf({ config }: S3Connection, object: StoredObject, timeoutMs: number): PostSpec {
  return {
    bucket: config.bucket,
    key: object.key,
    region: config.region,
    contentType: object.contentType,
    sizeBytes: object.body.length,
    metadata: object.metadata,
    // The policy must outlive the slowest upload, as some stores check it at the end.
    lifetimeSeconds: Math.min(
      MAX_POLICY_SECONDS,
      Math.max(DEFAULT_POLICY_SECONDS, Math.ceil(timeoutMs / 1000) + 60),
    ),
    ...(config.checksum === 'none' ? {} : { sha256: object.sha256 }),
    ...(config.objectAcl === 'none' ? {} : { acl: config.objectAcl }),
  };
}

/** 201 was asked for; some stores answer 204 or 200. A 200 with another body comes from a proxy, not from a store. */
function isSuccess({ status, text }: S3Answer): boolean {
  if (status === 201 || status === 204) return true;
  return status === 200 && (text === '' || parseXml(text)?.root === 'PostResponse');
}

function receiptOf({ headers, text }: S3Answer, key: string): AttemptOutcome<UploadReceipt> {
  const document = parseXml(text);
  const storedKey = document?.root === 'PostResponse' ? childText(document.node, 'Key') : undefined;
  if (storedKey !== undefined && storedKey !== key) {
    const cure = 'look at what rewrites requests between here and the store';
    const fault = new TargetFault('configuration', 'the store reports another key than the one sent', cure);
    return { ok: false, faultClass: 'fatal', fault };
  }
  // Ceph leaves the header out and the quotes away.
  const etag = (headers['etag'] ?? childText(document?.node, 'ETag'))?.replaceAll(/^"|"$/g, '');
  return { ok: true, value: etag === undefined ? {} : { etag } };
}
