/** The store, the bucket, and what the credentials may do there. */
import { TargetFault } from '../../object-store.ts';
import { describeFault } from '../fault-text.ts';
import type { OpenArchive } from '../open-archive.ts';
import { type Check, fail, ok, skipped, warn } from './check.ts';
import { checkPrivacy } from './check-privacy.ts';
import { probe } from './probe.ts';

export interface BucketQuestions {
  readonly archive: OpenArchive;
  /** Whether an object may be written. */
  readonly write: boolean;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

/** From this on a wrong clock is worth a word, ms; and from this on S3 refuses what it signs. */
const SKEW_WARN_MS = 30_000;
const SKEW_FAIL_MS = 15 * 60_000;

/** In the order in which one answer makes the next question possible. */
export async function checkBucket(questions: BucketQuestions): Promise<Check[]> {
  const { archive, nowMs, signal } = questions;
  const { reader } = archive.store;
  const checks: Check[] = [];
  try {
    const anonymous = await reader.knock(signal);
    checks.push(checkEndpoint(archive), checkClock(anonymous.serverTimeMs, nowMs()));
    const { check, listed, key } = await checkListing(archive, signal);
    checks.push(check);
    if (check.status === 'fail') return [...checks, skipped('permissions', 'the bucket is out of reach')];
    const written = questions.write ? await probe(archive, signal) : undefined;
    checks.push(written?.check ?? skipped('write', 'not tried: --write uploads a small object'));
    const known = key ?? written?.key;
    checks.push(await checkRead(archive, known, listed, signal));
    checks.push(...(await checkPrivacy(archive, known, anonymous.listed, signal)));
    if (written?.key !== undefined) checks.push(await written.remove());
    return checks;
  } catch (error) {
    if (!(error instanceof TargetFault)) throw error;
    return [...checks, fail('store', error.message, error.cure)];
  }
}

function checkEndpoint({ config }: OpenArchive): Check {
  const { endpoint } = config;
  if (endpoint === undefined) return ok('store', `AWS S3 in ${config.region} answers`);
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(endpoint.hostname);
  if (endpoint.protocol === 'https:' || local) return ok('store', `${endpoint.origin} answers`);
  const message = `${endpoint.origin} answers, unencrypted: prompts and images can be read on the way`;
  return warn('store', message, 'use https in S3_ENDPOINT, or a network that nobody else reads');
}

function checkClock(serverTimeMs: number | undefined, nowMs: number): Check {
  if (serverTimeMs === undefined) return skipped('clock', 'the store does not say what time it is');
  const skewMs = nowMs - serverTimeMs;
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  const message = `this machine's clock is ${seconds} s ${skewMs < 0 ? 'behind' : 'ahead of'} the store's`;
  if (Math.abs(skewMs) < SKEW_WARN_MS) return ok('clock', message);
  const cure = "correct this machine's clock (NTP); until then requests are dated by the store's clock";
  return Math.abs(skewMs) < SKEW_FAIL_MS ? warn('clock', message, cure) : fail('clock', message, cure);
}

interface Listing {
  readonly check: Check;
  /** Whether s3:ListBucket is there. */
  readonly listed: boolean;
  /** Of some object under the prefix. */
  readonly key: string | undefined;
}

async function checkListing({ config, store }: OpenArchive, signal: AbortSignal): Promise<Listing> {
  const place = `s3://${config.bucket}/${config.prefix}`;
  try {
    // Images and records alone: what else is there may be readable for good reasons.
    for await (const { key } of store.reader.list(
      { prefix: `${config.prefix}output-`, pageSize: 1 },
      signal,
    )) {
      return { check: ok('bucket', `${place} can be listed`), listed: true, key };
    }
    return {
      check: ok('bucket', `${place} can be listed, no image is there yet`),
      listed: true,
      key: undefined,
    };
  } catch (error) {
    if (!(error instanceof TargetFault)) throw error;
    if (error.kind !== 'permission') {
      return { check: fail('bucket', error.message, error.cure), listed: false, key: undefined };
    }
    const message = `${place} cannot be listed, so a missing object is not told from a forbidden one, and pairs may be uploaded twice`;
    const cure = `allow the credentials s3:ListBucket on ${config.bucket}; some stores answer so for a wrong secret key, too`;
    return { check: warn('bucket', message, cure), listed: false, key: undefined };
  }
}

async function checkRead(
  { store, config }: OpenArchive,
  key: string | undefined,
  listed: boolean,
  signal: AbortSignal,
): Promise<Check> {
  const cure = `allow the credentials s3:GetObject on ${config.bucket}/${config.prefix}*`;
  if (key === undefined) {
    return skipped(
      'read',
      listed ? 'nothing to read yet: --write makes an object' : 'no object is known: use --write',
    );
  }
  try {
    const found = await store.reader.get(key, { range: 'bytes=0-0' }, signal);
    if (found.state === 'present') {
      found.close();
      return ok('read', 'objects can be read (s3:GetObject)');
    }
    const message = `${key} cannot be read (${found.state}): no look before uploads, no download links, no verify`;
    return fail('read', message, cure);
  } catch (error) {
    if (!(error instanceof TargetFault)) throw error;
    return fail('read', describeFault(error), cure);
  }
}
