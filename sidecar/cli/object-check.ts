/** Looks at one object of a pair: is it there, what are its bytes, can others read it. */
import { TargetFault } from '../object-store.ts';
import type { ObjectHead, ObjectReader } from '../s3/object-reader.ts';
import { describeFault } from './fault-text.ts';

/**
 * `bad`: the archive is not as it should be. `unchecked`: nobody knows, because the question got no answer.
 * `note`: worth knowing, and no fault.
 */
export interface Finding {
  readonly severity: 'bad' | 'unchecked' | 'note';
  readonly about: 'presence' | 'content' | 'privacy';
  readonly message: string;
}

export interface ObjectCheck {
  readonly key: string;
  readonly findings: readonly Finding[];
  /** What the store says of it; undefined when it is not there, or was not shown. */
  readonly head: ObjectHead | undefined;
  /** What was downloaded; undefined when there was nothing to download. */
  readonly download: Download | undefined;
}

export interface Download {
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Undefined when there were more than were to be kept. */
  readonly bytes: Uint8Array | undefined;
}

/** `shallow`: what the store says of an object. `deep`: also its bytes, and its access control list. */
export type Depth = 'shallow' | 'deep';

export interface CheckOptions {
  readonly depth: Depth;
  /** Bytes of the object that may be kept in memory. */
  readonly keepBytes: number;
}

/** Asks for one object, as deep as is wanted, and asks for it again as anybody. */
export async function checkObject(
  reader: ObjectReader,
  key: string,
  { depth, keepBytes }: CheckOptions,
  signal: AbortSignal,
): Promise<ObjectCheck> {
  const findings: Finding[] = [];
  /** A fault of the bucket or of the way to it leaves the question open. */
  const orUnchecked = async <T>(about: Finding['about'], ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof TargetFault)) throw error;
      findings.push({ severity: 'unchecked', about, message: describeFault(error) });
      return undefined;
    }
  };
  const head = await orUnchecked('presence', () => reader.head(key, signal));
  const nothing = { key, head: undefined, download: undefined };
  if (head === undefined) return { ...nothing, findings };
  if (head.state !== 'present') {
    return { ...nothing, findings: [head.state === 'absent' ? MISSING : FORBIDDEN] };
  }
  const download =
    depth === 'shallow'
      ? undefined
      : await orUnchecked('content', () => readWhole(reader, key, keepBytes, findings, signal));
  const announced = head.head.sizeBytes;
  if (download !== undefined && announced !== undefined && announced !== download.sizeBytes) {
    const message = `${download.sizeBytes} bytes came, the store says it has ${announced}`;
    findings.push({ severity: 'bad', about: 'content', message });
  }
  // Only now that the object is known to be there does a refusal say anything about who may read it.
  await orUnchecked('privacy', async () => findings.push(...(await askAsAnybody(reader, key, signal))));
  if (depth === 'deep') {
    await orUnchecked('privacy', async () => findings.push(...(await readGrants(reader, key, signal))));
  }
  return { key, findings, head: head.head, download };
}

const MISSING: Finding = { severity: 'bad', about: 'presence', message: 'missing from the bucket' };
const FORBIDDEN: Finding = {
  severity: 'unchecked',
  about: 'presence',
  message:
    'the store refuses to say (403): check the credentials and allow them s3:GetObject; ' +
    'without s3:ListBucket it answers so for a missing object, too',
};

async function readWhole(
  reader: ObjectReader,
  key: string,
  keepBytes: number,
  findings: Finding[],
  signal: AbortSignal,
): Promise<Download | undefined> {
  const found = await reader.get(key, {}, signal);
  if (found.state !== 'present') {
    const message = `it may be seen but not read (${found.state})`;
    findings.push({ severity: 'unchecked', about: 'content', message });
    return undefined;
  }
  let sizeBytes = 0;
  let kept: Uint8Array[] | undefined = [];
  for await (const chunk of found.body) {
    sizeBytes += chunk.length;
    if (sizeBytes > keepBytes) kept = undefined;
    kept?.push(chunk);
  }
  const bytes = kept === undefined ? undefined : Buffer.concat(kept);
  return { sizeBytes, sha256: found.sha256() ?? '', bytes };
}

async function askAsAnybody(reader: ObjectReader, key: string, signal: AbortSignal): Promise<Finding[]> {
  const found = await reader.get(key, { range: 'bytes=0-0', anonymous: true }, signal);
  if (found.state !== 'present') return [];
  found.close();
  return [{ severity: 'bad', about: 'privacy', message: 'PUBLIC: anybody can read it without credentials' }];
}

async function readGrants(reader: ObjectReader, key: string, signal: AbortSignal): Promise<Finding[]> {
  const acl = await reader.getAcl(key, signal);
  if (acl.state === 'unknown') {
    return [{ severity: 'note', about: 'privacy', message: `its ACL is not known: ${acl.reason}` }];
  }
  return acl.grants.flatMap(({ grantee, permission }): Finding[] => {
    if (grantee !== 'everyone' && grantee !== 'any-account') return [];
    const whom = grantee === 'everyone' ? 'everyone (AllUsers)' : 'every account (AuthenticatedUsers)';
    const message = `PUBLIC: its ACL grants ${permission} to ${whom}`;
    return [{ severity: 'bad', about: 'privacy', message }];
  });
}
