import { setImmediate as nextTurn } from 'node:timers/promises';
import { engineError } from './engine-failure.ts';

/** Characters decoded at a time, a multiple of 4: less than 1 ms of the event loop. */
const SLICE_CHARACTERS = 512 * 1024;
const ALPHABET = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Decodes base64 text, given as its ASCII bytes, slice by slice. A `data:…;base64,` prefix is taken off; `\/`, as
 * some JSON writers have it, is read as "/".
 * @throws {EngineError} BAD_RESPONSE when it is empty, no base64, or cut off.
 */
export async function decodeBase64(text: Buffer): Promise<Buffer> {
  let body = withoutPrefix(text);
  if (body.includes(0x5c)) body = Buffer.from(body.toString('latin1').replaceAll('\\/', '/'), 'latin1');
  if (body.length === 0) throw engineError('BAD_RESPONSE', 'an empty picture');
  const decoded = Buffer.allocUnsafeSlow(Math.floor((body.length * 3) / 4));
  let bytes = 0;
  for (let offset = 0; offset < body.length; offset += SLICE_CHARACTERS) {
    const slice = body.toString('latin1', offset, Math.min(body.length, offset + SLICE_CHARACTERS));
    const last = offset + SLICE_CHARACTERS >= body.length;
    if (!ALPHABET.test(slice) || (!last && slice.endsWith('='))) {
      throw engineError('BAD_RESPONSE', 'the picture is not base64');
    }
    bytes += decoded.write(slice, bytes, 'base64');
    if (!last) await nextTurn();
  }
  // Length 1 modulo 4 cannot end base64; unpadded text is taken, the decoder of pictures finds what is missing.
  if (body.length % 4 === 1) throw engineError('BAD_RESPONSE', 'the base64 of the picture is cut off');
  return decoded.subarray(0, bytes);
}

function withoutPrefix(text: Buffer): Buffer {
  if (text.toString('latin1', 0, 5) !== 'data:') return text;
  const comma = text.subarray(0, 256).indexOf(',');
  return comma < 0 ? text : text.subarray(comma + 1);
}
