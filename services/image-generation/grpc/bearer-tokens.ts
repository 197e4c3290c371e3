import { createHash, timingSafeEqual } from 'node:crypto';
import { ConfigError } from '../../runtime/environment.ts';
import type { FileContent } from '../../runtime/watched-files.ts';

/** The tokens that callers may show, by their hashes: who reads the file or this memory has no token. */
export interface BearerTokens {
  /** How many there are. */
  readonly count: number;
  /** Whose token it is. Takes the same time for every token, good or not. */
  readonly nameOf: (token: string) => string | undefined;
}

interface KnownToken {
  readonly name: string;
  readonly hash: Buffer;
}

/** Every call is compared with each of them. */
const MAX_TOKENS = 1_000;
/** Faults told at once. */
const MAX_FAULTS = 10;
const LINE = /^([A-Za-z0-9][A-Za-z0-9._@/-]{0,63})\s*:\s*([0-9a-fA-F]{64})$/;

/**
 * Reads lines of `name:sha256hex`; blank lines and those that begin with `#` are skipped. A name may stand in
 * several lines: that is how a caller changes its token.
 * @throws {ConfigError} with the numbers of the faulty lines, never with what stands in them.
 */
export function parseBearerTokens(path: string, content: FileContent | undefined): BearerTokens {
  const fault = (found: string): ConfigError =>
    new ConfigError([
      { name: 'AUTH_TOKENS_FILE', expected: 'lines of name:sha256hex', value: `${path} (${found})` },
    ]);
  if (content === undefined || content instanceof Error) throw fault(unreadable(content));
  const tokens: KnownToken[] = [];
  const faults: string[] = [];
  const lineOfHash = new Map<string, number>();
  for (const [index, line] of content.toString('utf8').split('\n').entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const [, name, hex] = LINE.exec(text) ?? [];
    const before = lineOfHash.get(hex?.toLowerCase() ?? '');
    if (name === undefined || hex === undefined) faults.push(`line ${index + 1} is not name:sha256hex`);
    else if (before !== undefined) faults.push(`line ${index + 1} has the hash of line ${before}`);
    else {
      lineOfHash.set(hex.toLowerCase(), index + 1);
      tokens.push({ name, hash: Buffer.from(hex, 'hex') });
    }
  }
  if (faults.length > 0) throw fault(faults.slice(0, MAX_FAULTS).join('; '));
  // An empty file is one that is being written, or a mistake that would lock everybody out.
  if (tokens.length === 0) throw fault('no token in it');
  if (tokens.length > MAX_TOKENS) throw fault(`more than ${MAX_TOKENS} tokens`);
  return { count: tokens.length, nameOf: (token) => findName(tokens, token) };
}

/** The file system's code, or what is said without one. */
const unreadable = (error: NodeJS.ErrnoException | undefined): string =>
  error?.code ?? error?.message ?? 'not read';

function findName(tokens: readonly KnownToken[], token: string): string | undefined {
  const hash = createHash('sha256').update(token).digest();
  let found: string | undefined;
  for (const known of tokens) if (timingSafeEqual(known.hash, hash)) found = known.name;
  return found;
}
