import { createHash } from 'node:crypto';
import { EventFault } from '../../../proto/archive-event.ts';
import { TargetFault } from '../../object-store.ts';
import type { OpenArchive } from '../open-archive.ts';
import { type Check, fail, ok } from './check.ts';

const CONTENT = Buffer.from('sekai-archive doctor --write was here; this object may be deleted.\n');

export interface Probe {
  readonly check: Check;
  /** Undefined when nothing was stored. */
  readonly key: string | undefined;
  remove(): Promise<Check>;
}

/**
 * Uploads a small object the way pairs are uploaded. Always under the same key: an archiver's credentials may not
 * delete, as they should not, and then one object stays, however often the doctor comes.
 */
export async function probe({ config, store }: OpenArchive, signal: AbortSignal): Promise<Probe> {
  const key = `${config.prefix}doctor-probe.txt`;
  const sha256 = createHash('sha256').update(CONTENT).digest();
  try {
    await store.put({ key, body: CONTENT, sha256, contentType: 'text/plain', metadata: {} }, signal);
  } catch (error) {
    const check = await refusal(error, store.reader.policyStatus(signal));
    return { check, key: undefined, remove: () => Promise.resolve(check) };
  }
  return {
    key,
    check: ok('write', `objects can be uploaded (s3:PutObject, ACL ${config.objectAcl})`),
    remove: () => removeProbe(store, key, signal),
  };
}

/** A wrong secret looks like missing permission on some stores, until a signed question is asked. */
async function refusal(error: unknown, signedQuestion: Promise<unknown>): Promise<Check> {
  let fault = error;
  try {
    await signedQuestion;
  } catch (other) {
    if (other instanceof TargetFault && other.kind === 'credentials') fault = other;
  }
  if (fault instanceof TargetFault) return fail('write', fault.message, fault.cure);
  if (!(fault instanceof EventFault)) throw fault;
  return fail('write', fault.message, 'raise the limit of the store, or of the proxy before it');
}

async function removeProbe(store: OpenArchive['store'], key: string, signal: AbortSignal): Promise<Check> {
  try {
    await store.remove(key, signal);
    return ok('probe', `${key} is removed again`);
  } catch (error) {
    if (!(error instanceof TargetFault)) throw error;
    const why =
      error.kind === 'permission'
        ? 'the credentials may not delete, as an archiver needs not'
        : error.message;
    return ok('probe', `${key} stays: ${why}; the next probe replaces it`);
  }
}
