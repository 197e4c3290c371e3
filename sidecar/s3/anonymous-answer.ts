import type { AttemptOutcome } from './attempt-loop.ts';
import { readAnswer } from './s3-answer.ts';
import { failureOf, type S3Connection } from './s3-connection.ts';

/** What the store says to somebody without credentials who asks for a list of the bucket. */
export interface AnonymousAnswer {
  /** Whether it gave the list. */
  readonly listed: boolean;
  /** The store's clock, ms since the epoch; undefined when it does not say. */
  readonly serverTimeMs: number | undefined;
}

/** Whatever the store says to it is an answer, also that there is no such bucket. */
export function knock(connection: S3Connection, signal: AbortSignal): Promise<AnonymousAnswer> {
  const { anonymousAttempts, location, pool } = connection;
  const url = location.bucketUrl({ 'list-type': '2', 'max-keys': '1' });
  const operation = { method: 'GET', target: 'list as anybody', actions: [] } as const;
  return anonymousAttempts.run(
    {
      operation,
      timeoutMs: connection.attemptTimeoutMs(0),
      attempt: async (input): Promise<AttemptOutcome<AnonymousAnswer>> => {
        const path = `${url.pathname}${url.search}`;
        const answer = await readAnswer(await pool.request({ method: 'GET', path, signal: input.signal }));
        if (answer.status >= 500) return failureOf(answer, operation, connection);
        const serverTimeMs = Date.parse(answer.headers['date'] ?? '');
        return {
          ok: true,
          value: {
            listed: answer.status === 200 && answer.text.includes('ListBucketResult'),
            serverTimeMs: Number.isNaN(serverTimeMs) ? undefined : serverTimeMs,
          },
        };
      },
    },
    signal,
  );
}
