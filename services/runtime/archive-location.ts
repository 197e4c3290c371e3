/** Where pairs are stored: the archiver writes there, the service tells its callers. One meaning for both. */
import { variable } from './environment.ts';

export const archiveLocationVariables = {
  S3_BUCKET: variable(
    { expected: 'a bucket name: 3 to 63 of a-z, 0-9, "." and "-"', purpose: 'Bucket of the pairs.' },
    (value) => (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(value) ? value : undefined),
  ).default('customers-sekai-background-image-gen'),
  S3_PREFIX: variable(
    {
      expected: 'path segments of a-z, A-Z, 0-9, ".", "_" and "-"',
      purpose: 'Prefix of all keys; "/" for none.',
    },
    readPrefix,
  ).default('customers/sekai/background-image-gen/'),
};

/** Empty, or without a leading and with a trailing slash. */
function readPrefix(value: string): string | undefined {
  const segments = value.replaceAll(/^\/+|\/+$/g, '').split('/');
  if (segments.length === 1 && segments[0] === '') return '';
  // "." and ".." would be folded away by every URL parser on the way.
  const good = segments.every((segment) => /^[a-zA-Z0-9._-]+$/.test(segment) && !/^\.{1,2}$/.test(segment));
  // 1024 bytes is S3's limit for a key; the hash and its frame take less than 100.
  return good && value.length <= 900 ? `${segments.join('/')}/` : undefined;
}
