/** Longest wait that is passed on to callers, ms. */
const MAX_RETRY_AFTER_MS = 600_000;

/**
 * When to come back, in ms: OpenAI's `retry-after-ms`, or RFC 9110's `retry-after` in seconds or as a date.
 * @param nowMs The time, for dates.
 */
export function retryAfter(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  nowMs: number,
): number | undefined {
  const precise = decimal(headers['retry-after-ms']);
  if (precise !== undefined) return bounded(precise);
  const seconds = decimal(headers['retry-after']);
  if (seconds !== undefined) return bounded(seconds * 1_000);
  const date = httpDate(headers['retry-after']);
  return date === undefined ? undefined : bounded(date - nowMs);
}

const decimal = (value: string | string[] | undefined): number | undefined =>
  typeof value === 'string' && /^\d{1,12}(\.\d{1,6})?$/.test(value) ? Number(value) : undefined;

function httpDate(value: string | string[] | undefined): number | undefined {
  const date = typeof value === 'string' && value.endsWith(' GMT') ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : date;
}

const bounded = (ms: number): number => Math.min(MAX_RETRY_AFTER_MS, Math.max(0, Math.round(ms)));
