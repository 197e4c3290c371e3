import { InvalidArgumentError } from 'commander';
import { isImageHash } from '../../proto/archive-event.ts';

/** Collects image hashes as arguments, without repetitions. */
export function addHash(text: string, before: readonly string[] | undefined): readonly string[] {
  if (!isImageHash(text)) {
    throw new InvalidArgumentError('an image hash is 64 lower-case hex digits (SHA-256 of the JPEG).');
  }
  return [...new Set([...(before ?? []), text])];
}
