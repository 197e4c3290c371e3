import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ConfigError } from '../../runtime/environment.ts';
import { parseBearerTokens } from './bearer-tokens.ts';

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');
const parse = (text: string) => parseBearerTokens('/etc/tokens', Buffer.from(text));

test('each token has its name, and a name may have several tokens', () => {
  const tokens = parse(
    `# callers\r\n\r\nstudio:${hashOf('one')}\r\n  studio : ${hashOf('two').toUpperCase()}\nteam/web@prod:${hashOf('three')}`,
  );
  expect(tokens.count).toBe(3);
  expect(['one', 'two', 'three'].map(tokens.nameOf)).toEqual(['studio', 'studio', 'team/web@prod']);
  expect(['four', '', hashOf('one'), 'studio'].map(tokens.nameOf)).toEqual(Array(4).fill(undefined));
});

test('faults are told by their lines, all at once, and never with what stands there', () => {
  const text = `studio:hunter2\nhunter3\nweb:${hashOf('a')}\n# hunter4\nother:${hashOf('a')}\nhunter 5:${hashOf('b')}\n`;
  const read = (): unknown => parse(text);
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(
    'AUTH_TOKENS_FILE: expected lines of name:sha256hex, got "/etc/tokens (line 1 is not name:sha256hex; ' +
      'line 2 is not name:sha256hex; line 5 has the hash of line 3; line 6 is not name:sha256hex)"',
  );
  expect(read).not.toThrow(/hunter/);
});

test('a file without a token is a fault, and so is one that cannot be read', () => {
  expect(() => parse('# nobody\n')).toThrow('no token in it');
  expect(() => parseBearerTokens('/x', Object.assign(new Error('y'), { code: 'ENOENT' }))).toThrow(
    '/x (ENOENT)',
  );
  const many = Array.from({ length: 1_001 }, (_, index) => `a:${hashOf(String(index))}\n`).join('');
  expect(() => parse(many)).toThrow('more than 1000 tokens');
});
