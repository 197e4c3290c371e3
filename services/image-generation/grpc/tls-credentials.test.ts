import { expect, test } from 'vitest';
import { createAuthority } from '../../../test/_support/certificates.ts';
import { ConfigError } from '../../runtime/environment.ts';
import { parseTlsCredentials, tlsPaths } from './tls-credentials.ts';

const files = { certFile: '/c', keyFile: '/k', clientCaFile: '/ca' };
const missing = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' });
const authority = await createAuthority();
const pair = await authority.issue();

test('a pair and an authority make credentials with the dates of the certificate', () => {
  const { context, validFrom, validTo } = parseTlsCredentials(files, [pair.cert, pair.key, authority.cert]);
  expect(context).toMatchObject({ minVersion: 'TLSv1.2', ca: authority.cert });
  expect(validFrom.getTime()).toBeLessThan(Date.now());
  expect(validTo.getTime()).toBeGreaterThan(Date.now());
});

test('without client certificates the authority is neither read nor set', () => {
  const two = { ...files, clientCaFile: undefined };
  expect(tlsPaths(two)).toEqual(['/c', '/k']);
  expect(parseTlsCredentials(two, [pair.cert, pair.key]).context).not.toHaveProperty('ca');
});

test('every fault is told at once, by variable and file, without content', () => {
  const read = (): unknown => parseTlsCredentials(files, [missing, Buffer.from('hunter2'), Buffer.from('x')]);
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(/TLS_CERT_FILE: expected a PEM certificate chain, got "\/c \(ENOENT\)"/);
  expect(read).toThrow(/TLS_KEY_FILE: expected a PEM private key, got "\/k \(ERR_OSSL/);
  expect(read).toThrow(/TLS_CLIENT_CA_FILE: .* got "\/ca \(no certificate in it\)"/);
  expect(read).not.toThrow(/hunter2/);
});

test.each([
  ['a key of another certificate', async () => [pair.cert, (await authority.issue()).key]],
  ['a certificate cut short', async () => [pair.cert.subarray(0, 200), pair.key]],
  ['a certificate followed by a damaged one', async () => [damagedChain(), pair.key]],
  ['key and certificate the wrong way round', async () => [pair.key, pair.cert]],
])('%s cannot be used', async (_, contents) => {
  const [cert = missing, key = missing] = await contents();
  expect(() => parseTlsCredentials(files, [cert, key, authority.cert])).toThrow(ConfigError);
});

const damagedChain = (): Buffer =>
  Buffer.concat([pair.cert, Buffer.from(`\n${authority.cert.toString().replaceAll('MII', 'AAA')}`)]);
