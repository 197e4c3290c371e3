import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createNatsOperator } from '../../test/_support/nats-operator.ts';
import { ConfigError, type ConfigFault, type RawEnvironment, readEnvironment } from './environment.ts';
import { type NatsAccess, natsAccess, natsContradictions, natsVariables } from './nats-access.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'nats-access-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const read = (environment: RawEnvironment): NatsAccess =>
  natsAccess(readEnvironment(z.object(natsVariables), environment, natsContradictions));

function faultsOf(environment: RawEnvironment): readonly ConfigFault[] {
  try {
    read(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('access to NATS', () => {
  it('is by the URLs alone unless something else is said', () => {
    expect(read({})).toEqual({ urls: ['nats://127.0.0.1:4222'], login: { kind: 'urls' }, tls: undefined });
  });

  it('keeps the names of good files', () => {
    const password = file('password', 'hunter2\n');
    const seed = file('seed', nkeys.createUser().getSeed());
    const creds = file('user.creds', createNatsOperator().credentials('u'));
    const ca = file('ca.pem', '-----BEGIN CERTIFICATE-----\n');
    expect(read({ NATS_USER: 'ann', NATS_PASSWORD_FILE: password }).login).toEqual({
      kind: 'password',
      user: 'ann',
      passwordFile: password,
    });
    expect(read({ NATS_TOKEN_FILE: password }).login).toEqual({ kind: 'token', tokenFile: password });
    expect(read({ NATS_NKEY_SEED_FILE: seed }).login).toEqual({ kind: 'nkey', seedFile: seed });
    expect(read({ NATS_CREDS_FILE: creds }).login).toEqual({ kind: 'credentials', credentialsFile: creds });
    expect(read({ NATS_TLS_CA_FILE: ca }).tls).toEqual({ caFile: ca });
  });

  it('refuses missing files, files of another kind and contradictions, all at once', () => {
    const password = file('password', 'hunter2\n');
    const faults = faultsOf({
      NATS_URL: 'nats://ann:s3cr3t@one',
      NATS_PASSWORD_FILE: password,
      NATS_TOKEN_FILE: password,
      NATS_CREDS_FILE: password,
      NATS_NKEY_SEED_FILE: join(directory, 'none'),
      NATS_TLS_CERT_FILE: join(directory, 'none'),
    });
    expect(faults.map(({ name, expected }) => `${name}: ${expected}`).toSorted()).toEqual([
      'NATS_CREDS_FILE: nothing, as NATS_TOKEN_FILE is there to log in with',
      'NATS_CREDS_FILE: the path of a credentials file',
      'NATS_NKEY_SEED_FILE: nothing, as NATS_TOKEN_FILE is there to log in with',
      'NATS_NKEY_SEED_FILE: the path of a file with the seed of a user, SU…',
      'NATS_TLS_CERT_FILE: the path of a PEM file with a certificate',
      'NATS_TLS_KEY_FILE: a value, as NATS_TLS_CERT_FILE has one',
      'NATS_URL: URLs without a login, as NATS_TOKEN_FILE has one',
      'NATS_USER: a value, as NATS_PASSWORD_FILE has one',
    ]);
    expect(JSON.stringify(faults)).not.toMatch(/s3cr3t|hunter2/);
  });

  it('wants a password for a user', () => {
    expect(faultsOf({ NATS_USER: 'ann' }).map(({ name }) => name)).toEqual(['NATS_PASSWORD_FILE']);
  });
});
