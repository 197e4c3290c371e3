import type { EngineConnection, EngineRequest } from './engine-connection.ts';
import { engineError, statusFailure } from './engine-failure.ts';
import { type JsonAnswer, jsonAnswer } from './json-answer.ts';

/** Routes that an engine does not have: answered by 404 or 405, with whatever body. */
const ABSENT: ReadonlySet<number> = new Set([404, 405]);

/** Asks and parses. @throws {EngineError} for every status but 2xx, with the text of the answer for the log. */
export async function askJson(
  connection: EngineConnection,
  request: EngineRequest,
  signal: AbortSignal,
): Promise<JsonAnswer> {
  const answer = await connection.ask(request, signal);
  if (answer.status >= 300) throw statusFailure(answer, answer.body.toString('utf8', 0, 2_000), []);
  return jsonAnswer(answer);
}

/** The value of a GET, undefined for a route the engine does not have. Only for questions without a prompt. */
export async function askOptional(
  connection: EngineConnection,
  path: string,
  signal: AbortSignal,
  timeoutMs = 5_000,
): Promise<unknown> {
  const answer = await connection.ask({ method: 'GET', path, timeoutMs }, signal);
  if (ABSENT.has(answer.status)) return undefined;
  if (answer.status >= 300) throw statusFailure(answer, answer.body.toString('utf8', 0, 2_000), []);
  const { value } = await jsonAnswer(answer);
  if (value === undefined || value === null) throw engineError('BAD_RESPONSE', `nothing from ${path}`);
  return value;
}
