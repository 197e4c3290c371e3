import { expect, test } from 'vitest';
import { imageGenerationConfig } from './config.ts';

const config = (environment: Record<string, string>) => imageGenerationConfig(environment);

test('without any variable it is plaintext for everybody', () => {
  expect(config({}).security).toEqual({ tls: undefined, authTokensFile: undefined, maxConnections: 1000 });
});

test('all of them are read', () => {
  const { security } = config({
    TLS_CERT_FILE: '/c',
    TLS_KEY_FILE: '/k',
    TLS_CLIENT_CA_FILE: '/ca',
    AUTH_TOKENS_FILE: '/t',
    MAX_CONNECTIONS: '7',
  });
  expect(security).toEqual({
    tls: { certFile: '/c', keyFile: '/k', clientCaFile: '/ca' },
    authTokensFile: '/t',
    maxConnections: 7,
  });
});

test.each([
  [{ TLS_CERT_FILE: '/c' }, ['TLS_KEY_FILE']],
  [{ TLS_KEY_FILE: '/k', TLS_CERT_FILE: '' }, ['TLS_CERT_FILE']],
  [{ TLS_CLIENT_CA_FILE: '/ca' }, ['TLS_CERT_FILE', 'TLS_KEY_FILE']],
  [{ TLS_CLIENT_CA_FILE: '/ca', TLS_KEY_FILE: '/k' }, ['TLS_CERT_FILE']],
  [{ TLS_CERT_FILE: '/c', MAX_CONNECTIONS: '0' }, ['MAX_CONNECTIONS', 'TLS_KEY_FILE']],
])('%j is a fault of all that is missing, at once', (environment, names) => {
  let faults: readonly { name: string }[] = [];
  try {
    config(environment);
  } catch (error) {
    ({ faults } = error as { faults: readonly { name: string }[] });
  }
  expect(faults.map(({ name }) => name)).toEqual(names);
});
