/** JSON answers with pictures in them: tens of megabytes of base64, which JSON.parse must not see. */
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeBase64 } from './base64.ts';
import type { EngineAnswer } from './engine-connection.ts';
import { engineError } from './engine-failure.ts';

/** String literals from this length on are lifted out before the rest is parsed. */
const LONG_LITERAL_BYTES = 64 * 1024;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export interface JsonAnswer {
  readonly status: number;
  readonly path: string;
  readonly value: unknown;
  /** Decodes a base64 string of `value`. @throws {EngineError} BAD_RESPONSE unless it is one. */
  picture(text: unknown): Promise<Buffer>;
}

/**
 * Parses an answer. Engines that send no content type are believed; one that is not JSON is not.
 * @throws {EngineError} BAD_RESPONSE.
 */
export async function jsonAnswer(answer: EngineAnswer): Promise<JsonAnswer> {
  const { status, path, contentType, body } = answer;
  if (contentType !== '' && contentType !== 'application/json') {
    throw engineError(
      'BAD_RESPONSE',
      `HTTP ${status} from ${path}: ${contentType.slice(0, 64)} instead of JSON`,
    );
  }
  const mark = `sekai:${randomUUID()}:`;
  const { text, literals } = await liftLongLiterals(body, mark);
  return {
    status,
    path,
    value: parse(text, status, path),
    async picture(value) {
      if (typeof value !== 'string') throw engineError('BAD_RESPONSE', `no picture in the answer to ${path}`);
      const lifted = value.startsWith(mark) ? literals[Number(value.slice(mark.length))] : undefined;
      return decodeBase64(lifted ?? Buffer.from(value, 'latin1'));
    },
  };
}

function parse(text: string, status: number, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's own message quotes the text.
    throw engineError('BAD_RESPONSE', `HTTP ${status} from ${path}: not JSON`);
  }
}

/** Replaces each long string literal of a JSON text by `mark` and its number. Literals keep their escapes. */
async function liftLongLiterals(body: Buffer, mark: string): Promise<{ text: string; literals: Buffer[] }> {
  const literals: Buffer[] = [];
  if (body.length < LONG_LITERAL_BYTES) return { text: body.toString('utf8'), literals };
  const kept: string[] = [];
  let from = 0;
  let open = body.indexOf(QUOTE);
  for (let count = 1; open >= 0; count += 1) {
    const close = closingQuote(body, open);
    if (close < 0) break;
    if (close - open > LONG_LITERAL_BYTES) {
      kept.push(body.toString('utf8', from, open + 1), `${mark}${literals.length}`);
      literals.push(body.subarray(open + 1, close));
      from = close;
    }
    open = body.indexOf(QUOTE, close + 1);
    if (count % 4096 === 0) await nextTurn();
  }
  kept.push(body.toString('utf8', from));
  return { text: kept.join(''), literals };
}

/** Where the literal that opens at `open` ends: the next quote with an even number of backslashes before it. */
function closingQuote(body: Buffer, open: number): number {
  for (let close = body.indexOf(QUOTE, open + 1); close >= 0; close = body.indexOf(QUOTE, close + 1)) {
    let backslashes = 0;
    while (body[close - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return close;
  }
  return -1;
}
