import { engineError } from './engine-failure.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const EMPTY = Buffer.alloc(0);

/**
 * The data of each event of a `text/event-stream` (WHATWG HTML, § 9.2.6), as its bytes come in. Names, ids and
 * comments are passed over, and so is an event that the end of the stream cuts off. Lines end in LF or CRLF.
 * @throws {EngineError} BAD_RESPONSE for an event of more than `maxBytes`.
 */
export async function* serverSentEvents(
  body: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let data: Buffer[] = [];
  let bytes = 0;
  for await (const line of lines(body, maxBytes)) {
    if (line.length === 0) {
      if (data.length > 0) yield joined(data);
      data = [];
      bytes = 0;
      continue;
    }
    bytes += line.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    const value = dataOf(line);
    if (value !== undefined) data.push(value);
  }
}

/** The value of a `data` line; undefined for any other. */
function dataOf(line: Buffer): Buffer | undefined {
  if (line.toString('latin1', 0, 4) !== 'data') return undefined;
  if (line.length === 4) return EMPTY;
  if (line.toString('latin1', 4, 5) !== ':') return undefined;
  return line.subarray(line.toString('latin1', 5, 6) === ' ' ? 6 : 5);
}

function joined(data: readonly Buffer[]): Buffer {
  const [first = EMPTY, ...others] = data;
  if (others.length === 0) return first;
  return Buffer.concat([first, ...others.flatMap((line) => [Buffer.from('\n'), line])]);
}

async function* lines(
  body: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let begun: Buffer[] = [];
  let bytes = 0;
  for await (const part of body) {
    let from = 0;
    for (let end = part.indexOf(LINE_FEED); end >= 0; end = part.indexOf(LINE_FEED, from)) {
      yield withoutReturn(Buffer.concat([...begun, part.subarray(from, end)]));
      begun = [];
      bytes = 0;
      from = end + 1;
    }
    if (from === part.length) continue;
    begun.push(part.subarray(from));
    bytes += part.length - from;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
  }
}

const withoutReturn = (line: Buffer): Buffer =>
  line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;

const tooLarge = (maxBytes: number): Error =>
  engineError('BAD_RESPONSE', `an event of the stream exceeds ${maxBytes} bytes`);
