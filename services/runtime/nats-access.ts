/** Where NATS is and how a process of ours proves who it is: the variables, their checks and their contradictions. */
import { readFileSync } from 'node:fs';
import { type ConfigFault, type RawEnvironment, text, urlList, variable } from './environment.ts';

/** Names of files, not their contents: those are read anew at each connect, so that they can be rotated. */
export interface NatsAccess {
  /** A user and password, or a token, may stand before the host: never to be logged. */
  readonly urls: readonly string[];
  readonly login: NatsLogin;
  /** Undefined: TLS only if a URL or the server asks for it, checked against the system's authorities. */
  readonly tls: NatsTlsFiles | undefined;
}

export type NatsLogin =
  | { readonly kind: 'urls' }
  | { readonly kind: 'password'; readonly user: string; readonly passwordFile: string }
  | { readonly kind: 'token'; readonly tokenFile: string }
  | { readonly kind: 'credentials'; readonly credentialsFile: string }
  | { readonly kind: 'nkey'; readonly seedFile: string };

export interface NatsTlsFiles {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** The secret in a file of one line. */
export const secretLine = (content: string): string => content.trim();

/** Whether a file holds a JWT and, after it, a seed, each between lines of dashes. */
export const isCredentials = (content: string): boolean =>
  /^-{3,}.*-{3,}\n[\w.-]+\n-{3,}[^]*^-{3,}.*-{3,}\nSU[A-Z2-7]{56}\n/m.test(content);

/** Whether a file holds the seed of a user. */
export const isUserSeed = (content: string): boolean => /^SU[A-Z2-7]{56}$/.test(secretLine(content));

const usableFile = (purpose: string, expected: string, isUsable: (content: string) => boolean) =>
  variable({ expected: `the path of ${expected}`, purpose }, (path) =>
    isUsable(contentOf(path)) ? path : undefined,
  );

/** Empty when it cannot be read. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const isSecretLine = (content: string): boolean => /^\S.*$/.test(secretLine(content));
const isCertificate = (content: string): boolean => content.includes('-----BEGIN CERTIFICATE-----');
const isPrivateKey = (content: string): boolean => /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(content);

/** Variables of every program that connects to NATS. */
export const natsVariables = {
  NATS_URL: urlList('NATS servers; a user and password, or a token, may stand before the host.', [
    'nats',
    'tls',
  ]).prefault('nats://127.0.0.1:4222'),
  NATS_USER: text('User of NATS_PASSWORD_FILE.', 'a user name').optional(),
  NATS_PASSWORD_FILE: usableFile('Password of NATS_USER.', 'a file with one line', isSecretLine).optional(),
  NATS_TOKEN_FILE: usableFile('Token to log in with.', 'a file with one line', isSecretLine).optional(),
  NATS_CREDS_FILE: usableFile(
    'JWT and seed to log in with, as nsc writes them.',
    'a credentials file',
    isCredentials,
  ).optional(),
  NATS_NKEY_SEED_FILE: usableFile(
    'Seed of the nkey to log in with.',
    'a file with the seed of a user, SU…',
    isUserSeed,
  ).optional(),
  NATS_TLS_CA_FILE: usableFile(
    'Authorities that vouch for the servers. It makes TLS a must.',
    'a PEM file with certificates',
    isCertificate,
  ).optional(),
  NATS_TLS_CERT_FILE: usableFile(
    'Certificate shown to the servers.',
    'a PEM file with a certificate',
    isCertificate,
  ).optional(),
  NATS_TLS_KEY_FILE: usableFile(
    'Private key of NATS_TLS_CERT_FILE.',
    'a PEM file with a private key',
    isPrivateKey,
  ).optional(),
};

/** Variables that are good by themselves and not together. */
export function natsContradictions(raw: RawEnvironment): ConfigFault[] {
  const fault = (name: string, expected: string): ConfigFault => ({ name, expected, value: raw[name] });
  const faults: ConfigFault[] = [];
  const needs = (name: string, other: string): void => {
    if (raw[name] !== undefined && raw[other] === undefined)
      faults.push(fault(other, `a value, as ${name} has one`));
  };
  needs('NATS_USER', 'NATS_PASSWORD_FILE');
  needs('NATS_PASSWORD_FILE', 'NATS_USER');
  needs('NATS_TLS_CERT_FILE', 'NATS_TLS_KEY_FILE');
  needs('NATS_TLS_KEY_FILE', 'NATS_TLS_CERT_FILE');
  const [first, ...others] = LOGINS.filter((name) => raw[name] !== undefined);
  for (const name of others) faults.push(fault(name, `nothing, as ${first} is there to log in with`));
  if (first !== undefined && /\/\/[^/\s,]*@/.test(raw['NATS_URL'] ?? '')) {
    faults.push({
      name: 'NATS_URL',
      expected: `URLs without a login, as ${first} has one`,
      value: '(secret)',
    });
  }
  return faults;
}

const LOGINS = ['NATS_USER', 'NATS_TOKEN_FILE', 'NATS_CREDS_FILE', 'NATS_NKEY_SEED_FILE'] as const;

/** What the variables say, once they are free of faults. */
export function natsAccess(read: {
  readonly NATS_URL: readonly string[];
  readonly NATS_USER?: string | undefined;
  readonly NATS_PASSWORD_FILE?: string | undefined;
  readonly NATS_TOKEN_FILE?: string | undefined;
  readonly NATS_CREDS_FILE?: string | undefined;
  readonly NATS_NKEY_SEED_FILE?: string | undefined;
  readonly NATS_TLS_CA_FILE?: string | undefined;
  readonly NATS_TLS_CERT_FILE?: string | undefined;
  readonly NATS_TLS_KEY_FILE?: string | undefined;
}): NatsAccess {
  const { NATS_TLS_CA_FILE: caFile, NATS_TLS_CERT_FILE: certFile, NATS_TLS_KEY_FILE: keyFile } = read;
  const tls = {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined || keyFile === undefined ? {} : { certFile, keyFile }),
  };
  return {
    urls: read.NATS_URL,
    login: loginOf(read),
    tls: Object.keys(tls).length === 0 ? undefined : tls,
  };
}

function loginOf(read: Parameters<typeof natsAccess>[0]): NatsLogin {
  const { NATS_USER: user, NATS_PASSWORD_FILE: passwordFile } = read;
  if (user !== undefined && passwordFile !== undefined) return { kind: 'password', user, passwordFile };
  if (read.NATS_TOKEN_FILE !== undefined) return { kind: 'token', tokenFile: read.NATS_TOKEN_FILE };
  if (read.NATS_CREDS_FILE !== undefined) {
    return { kind: 'credentials', credentialsFile: read.NATS_CREDS_FILE };
  }
  if (read.NATS_NKEY_SEED_FILE !== undefined) return { kind: 'nkey', seedFile: read.NATS_NKEY_SEED_FILE };
  return { kind: 'urls' };
}

/** Access by URLs alone. */
export const natsAccessByUrls = (urls: readonly string[]): NatsAccess => ({
  urls,
  login: { kind: 'urls' },
  tls: undefined,
});
