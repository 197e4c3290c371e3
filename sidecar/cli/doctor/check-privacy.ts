import type { ObjectReader } from '../../s3/object-reader.ts';
import type { OpenArchive } from '../open-archive.ts';
import { type Check, fail, ok, skipped, warn } from './check.ts';

const CLOSE =
  'take the grant or policy away and look who has read what; on AWS switch on Block Public Access';

/** Whether anybody else can read: asked as anybody, and read in the rules. */
export async function checkPrivacy(
  { store, config }: OpenArchive,
  key: string | undefined,
  listedByAnybody: boolean,
  signal: AbortSignal,
): Promise<Check[]> {
  const { reader } = store;
  const open: string[] = [];
  const seen: string[] = [];
  if (listedByAnybody) open.push('anybody can list the bucket without credentials');
  else seen.push('no list for anybody');
  if (key !== undefined) {
    const { faults, facts } = await objectPrivacy(reader, key, signal);
    open.push(...faults);
    seen.push(...facts);
  }
  const status = await reader.policyStatus(signal);
  if (status.state === 'known' && status.isPublic) open.push('the policy of the bucket opens it to everyone');
  if (status.state === 'known' && !status.isPublic) seen.push('no public policy');
  const checks = open.map((what) => fail('privacy', `PUBLIC: ${what}`, CLOSE));
  if (open.length === 0) {
    const check =
      key === undefined
        ? skipped('privacy', `${seen.join(', ')}; no object to try: use --write`)
        : ok('privacy', seen.join(', '));
    checks.push(check);
  }
  // Other stores answer the question, and their administrators have other means.
  if (config.endpoint === undefined) checks.push(await checkPublicAccessBlock(reader, signal));
  return checks;
}

async function objectPrivacy(
  reader: ObjectReader,
  key: string,
  signal: AbortSignal,
): Promise<{ readonly faults: string[]; readonly facts: string[] }> {
  const faults: string[] = [];
  const facts: string[] = [];
  const found = await reader.get(key, { range: 'bytes=0-0', anonymous: true }, signal);
  if (found.state === 'present') {
    found.close();
    faults.push(`anybody can read ${key} without credentials`);
  } else facts.push('an object is refused to anybody');
  const acl = await reader.getAcl(key, signal);
  if (acl.state === 'unknown') return { faults, facts };
  const groups = acl.grants.filter(({ grantee }) => grantee === 'everyone' || grantee === 'any-account');
  for (const { grantee, permission } of groups) {
    const whom = grantee === 'everyone' ? 'everyone (AllUsers)' : 'every account (AuthenticatedUsers)';
    faults.push(`the ACL of ${key} grants ${permission} to ${whom}`);
  }
  if (groups.length === 0) facts.push('its ACL is private');
  return { faults, facts };
}

async function checkPublicAccessBlock(reader: ObjectReader, signal: AbortSignal): Promise<Check> {
  const block = await reader.publicAccessBlock(signal);
  if (block.state === 'unknown') return skipped('public access block', block.reason);
  const off = Object.entries(block).flatMap(([name, on]) => (on === false ? [name] : []));
  if (off.length === 0) return ok('public access block', 'all four switches are on');
  const cure = 'switch all four on: then no ACL and no policy can make an object public';
  return warn('public access block', `off: ${off.join(', ')}`, cure);
}
