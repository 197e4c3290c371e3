import type { AttemptOutcome } from './attempt-loop.ts';
import { errorFacts, readAnswer } from './s3-answer.ts';
import { failureOf, type S3Connection } from './s3-connection.ts';
import { signRequest } from './sigv4.ts';
import type { Operation } from './target-faults.ts';

type Removal = 'removed' | 'version-kept';

/**
 * Removes one object by signed DELETE; one that is not there is no fault. Retries what a retry can help.
 * @throws {TargetFault}
 */
export function deleteObject(connection: S3Connection, key: string, signal: AbortSignal): Promise<Removal> {
  const { attempts, config, location, pool } = connection;
  const operation: Operation = { method: 'DELETE', target: key, actions: ['s3:DeleteObject'] };
  const url = location.objectUrl(key);
  return attempts.run(
    {
      operation,
      timeoutMs: connection.attemptTimeoutMs(0),
      attempt: async ({ credentials, date, signal: attemptSignal }): Promise<AttemptOutcome<Removal>> => {
        const headers = signRequest({ method: 'DELETE', url }, credentials, config.region, date);
        const path = `${url.pathname}${url.search}`;
        const answer = await readAnswer(
          await pool.request({ method: 'DELETE', path, headers, signal: attemptSignal }),
        );
        // AWS answers 204 for a missing object; some stores tell it apart.
        const missing = answer.status === 404 && errorFacts(answer).code === 'NoSuchKey';
        if (answer.status !== 204 && answer.status !== 200 && !missing) {
          return failureOf(answer, operation, connection);
        }
        // In a bucket with versioning a DELETE without a version only puts a marker on top.
        const hidden = answer.headers['x-amz-delete-marker'] === 'true';
        return { ok: true, value: hidden ? 'version-kept' : 'removed' };
      },
    },
    signal,
  );
}
