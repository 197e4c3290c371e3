/** What went wrong on the way to an engine, or in it, as an EngineError. Reference: api-and-engines § 5. */
import {
  CLOSED_CODES,
  isTlsCode,
  LOST_CODES,
  STALLED_CODES,
  systemCode,
} from '../../../runtime/network-errors.ts';
import { EngineError, type EngineFailure, InvalidRequestError } from '../../errors.ts';
import type { EngineAnswer } from './engine-connection.ts';
import { engineWords } from './engine-words.ts';

/** The engine is not there, or went away: it has stopped, crashed, or is being restarted. */
const isGone = (code: string): boolean => LOST_CODES.has(code) || CLOSED_CODES.has(code);

/** PyTorch's, CUDA's, ggml's and C++'s words for the same thing. */
const OUT_OF_MEMORY = /out ?of ?memory|not enough memory|bad_alloc|failed to allocate/i;

const MESSAGES: Readonly<Record<EngineFailure, string>> = {
  UNAVAILABLE: 'the image engine cannot be reached',
  OVERLOADED: 'the image engine takes no more work now',
  OUT_OF_MEMORY: 'the image engine has too little memory for this picture; a smaller one may work',
  FAILED: 'the image engine failed',
  REJECTED: 'the image engine refused the job',
  BAD_RESPONSE: 'the engine answered with something that is not an image',
  IMAGE_CORRUPT: 'the engine made a damaged picture',
  CONTENT_FILTERED: "the image engine's content filter withheld the picture",
  TIMEOUT: 'the image engine took too long',
};

/** An EngineError with the standard public text; `cause` is for the log. */
export function engineError(failure: EngineFailure, cause: unknown, retryAfterMs?: number): EngineError {
  return new EngineError(failure, MESSAGES[failure], {
    cause: typeof cause === 'string' ? new Error(cause) : cause,
    retryAfterMs,
  });
}

/** What undici threw. */
export function networkFailure(cause: unknown): EngineError {
  const code = systemCode(cause) ?? '';
  if (isGone(code)) return engineError('UNAVAILABLE', cause);
  if (STALLED_CODES.has(code)) return engineError('TIMEOUT', cause);
  if (isTlsCode(code)) return engineError('UNAVAILABLE', cause);
  // HPE_*: not HTTP. llhttp's errors carry the bytes they stumbled over.
  if (code.startsWith('HPE_')) return engineError('BAD_RESPONSE', `no HTTP: ${code}`);
  return engineError('FAILED', cause);
}

/** Whether the engine was not there, before or in the middle: what opens its circuit. */
export const isConnectionFailure = (error: unknown): error is EngineError =>
  error instanceof EngineError && error.failure === 'UNAVAILABLE';

/**
 * The failure that an answer's status tells.
 * @param words What the engine says in it; goes into the log, bounded, unless it repeats one of `prompts`.
 */
export function statusFailure(answer: EngineAnswer, words: string, prompts: readonly string[]): EngineError {
  const said = new Error(`HTTP ${answer.status} from ${answer.path}: ${engineWords(words, prompts)}`);
  return engineError(failureOf(answer.status, words), said, answer.retryAfterMs);
}

function failureOf(status: number, words: string): EngineFailure {
  if (OUT_OF_MEMORY.test(words)) return 'OUT_OF_MEMORY';
  if (status === 429) return 'OVERLOADED';
  if (status === 502 || status === 503 || status === 504) return 'UNAVAILABLE';
  if (status === 401 || status === 403 || status >= 500) return 'FAILED';
  if (status >= 400) return 'REJECTED';
  return 'BAD_RESPONSE';
}

/** The engine refused a value that came from the caller. Its own words stay here. */
export const fieldRejected = (field: string): InvalidRequestError =>
  new InvalidRequestError([
    { field, reason: 'BACKEND_REJECTED', description: 'the image engine does not take this value' },
  ]);
