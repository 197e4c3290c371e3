import type { Dispatcher } from 'undici';
import { childText, MAX_XML_BYTES, parseXml } from './xml.ts';

/** An answer whose body has been read, up to a bound. */
export interface S3Answer {
  readonly status: number;
  /** Lower-case names; the first value of repeated headers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/**
 * What an unsuccessful answer says, without its message: S3 quotes the policy and its conditions there, the session
 * token among them.
 */
export interface S3ErrorFacts {
  readonly status: number;
  readonly code: string | undefined;
  /** The store found the policy's expiration in its past. */
  readonly policyExpired: boolean;
  /** The store evaluated the policy and refused by it. */
  readonly policyRefused: boolean;
  /** Region the bucket is really in. */
  readonly region: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly serverTimeMs: number | undefined;
}

/** Words of AWS, and of Ceph, which has its own. */
const POLICY_REFUSED =
  /according to policy|policy condition failed|extra input fields|policy check failed|policy missing condition/i;

/** Reads an answer to its end, so that its connection can be used again; a body above `maxBytes` is cut off. */
export async function readAnswer(
  response: Dispatcher.ResponseData,
  maxBytes = MAX_XML_BYTES,
): Promise<S3Answer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop early destroys the body, which undici reports as an error event of its own.
  response.body.on('error', () => {});
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) break;
  }
  const text = Buffer.concat(chunks).toString('utf8', 0, maxBytes);
  return { status: response.statusCode, headers: firstValues(response.headers), text };
}

/** Headers as a plain record with one value each. */
export function firstValues(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const first = Array.isArray(value) ? value[0] : value;
      return first === undefined ? [] : [[name.toLowerCase(), first]];
    }),
  );
}

/** Reads the facts out of an unsuccessful answer; a body that is no S3 error leaves only the status and headers. */
export function errorFacts({ status, headers, text }: S3Answer): S3ErrorFacts {
  const xml = parseXml(text);
  const error = xml?.root === 'Error' ? xml.node : undefined;
  const message = childText(error, 'Message') ?? '';
  const date = Date.parse(headers['date'] ?? '');
  return {
    status,
    code: matching(childText(error, 'Code'), /^[A-Za-z][A-Za-z0-9.]{0,63}$/),
    policyExpired: /policy expired|expiration date is in the past/i.test(message),
    policyRefused: POLICY_REFUSED.test(message),
    region: matching(headers['x-amz-bucket-region'] ?? childText(error, 'Region'), /^[a-z0-9-]{1,64}$/),
    requestId: matching(headers['x-amz-request-id'] ?? childText(error, 'RequestId'), /^[\w+/=.:-]{1,128}$/),
    retryAfterMs: retryAfter(headers['retry-after'], date),
    serverTimeMs: Number.isNaN(date) ? undefined : date,
  };
}

// What comes from the other side goes into log lines only if it has the expected form.
const matching = (text: string | undefined, form: RegExp): string | undefined =>
  text !== undefined && form.test(text) ? text : undefined;

function retryAfter(value: string | undefined, serverTimeMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const waitMs = Date.parse(value) - serverTimeMs;
  return waitMs >= 0 ? waitMs : undefined;
}
