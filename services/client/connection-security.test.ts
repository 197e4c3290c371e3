import { expect, test } from 'vitest';
import { callMetadata, isLoopback, tlsCredentials } from './connection-security.ts';
import { ConnectionSecurityError } from './errors.ts';

test.each([
  '127.0.0.1:50051',
  '127.8.9.10',
  'localhost:1',
  '[::1]:50051',
  'dns:///localhost:50051',
  'dns://8.8.8.8/localhost:50051',
  'ipv4:127.0.0.1:1,127.0.0.2:2',
  'ipv6:[::1]:50051',
  'unix:/run/sekai.sock',
])('%s is this machine', (target) => expect(isLoopback(target)).toBe(true));

test.each([
  '10.0.0.1:50051',
  'sekai-image:50051',
  'localhost.example.com:50051',
  '127.0.0.1.example.com',
  '127.0.0.1@example.com:1',
  'dns:///sekai-image:50051',
  'dns://127.0.0.1/sekai-image:50051',
  'ipv4:127.0.0.1:1,10.0.0.1:2',
  '[::11]:50051',
  '',
])('%j is not', (target) => expect(isLoopback(target)).toBe(false));

test('a token goes over plaintext to this machine alone, over TLS anywhere', async () => {
  const token = (): string => 'hunter2\n';
  expect(() => callMetadata('sekai-image:50051', false, token)).toThrow(ConnectionSecurityError);
  for (const metadata of [
    callMetadata('127.0.0.1:1', false, token),
    callMetadata('sekai-image:50051', true, token),
  ]) {
    expect((await metadata()).get('authorization')).toEqual(['Bearer hunter2']);
  }
  expect((await callMetadata('sekai-image:50051', false, undefined)()).toJSON()).toEqual({});
});

test.each(['', ' \n', 'two words', 'line\nbreak', 'ümlaut'])(
  '%j is no token, and is not told',
  async (token) => {
    const error = await callMetadata('127.0.0.1:1', false, () => token)().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConnectionSecurityError);
    expect(String(error)).toMatch(/^ConnectionSecurityError: the token is empty or not one word$/);
  },
);

test('certificates that cannot be used are refused before any call', () => {
  const bytes = Buffer.from('no certificate');
  expect(() => tlsCredentials({ certificate: bytes })).toThrow(/only good together/);
  expect(() => tlsCredentials({ privateKey: bytes })).toThrow(/only good together/);
  expect(() => tlsCredentials({ certificate: bytes, privateKey: bytes })).toThrow(ConnectionSecurityError);
});
