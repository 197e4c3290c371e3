/** The flags that say how to reach the service and who is calling. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { BearerToken, TlsSettings } from './connection-security.ts';

/** Where the token is found without `--token-file`. */
export const TOKEN_VARIABLE = 'SEKAI_TOKEN';

/** What commander reads with {@link addConnectionFlags}. */
export interface ConnectionFlags {
  readonly target: string;
  readonly tls?: boolean;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tokenFile?: string;
}

export interface Connection {
  readonly target: string;
  readonly tls?: TlsSettings;
  readonly bearerToken?: BearerToken;
}

/** Adds the flags. There is none for the token itself: every user of the machine can read arguments. */
export function addConnectionFlags(command: Command): Command {
  return command
    .option('--target <address>', 'gRPC address of the service', '127.0.0.1:50051')
    .option('--tls', 'encrypted, and the server must have a certificate of a well-known authority')
    .option('--tls-ca <file>', 'the same with the authorities in this PEM file')
    .option('--tls-cert <file>', 'client certificate, PEM, together with --tls-key')
    .option('--tls-key <file>', 'private key of the client certificate, PEM')
    .option(
      '--token-file <file>',
      `bearer token (default: from the variable ${TOKEN_VARIABLE}); without TLS only to this machine`,
    );
}

/** Reads the files. Throws the errors of `node:fs`, which name the file. */
export async function readConnection(
  flags: ConnectionFlags,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Connection> {
  const { target, tls, tlsCa, tlsCert, tlsKey, tokenFile } = flags;
  const encrypted = tls || tlsCa !== undefined || tlsCert !== undefined || tlsKey !== undefined;
  const [ca, certificate, privateKey] = await Promise.all([tlsCa, tlsCert, tlsKey].map(readPem));
  const token = bearerToken(tokenFile, environment[TOKEN_VARIABLE]);
  return {
    target,
    ...(encrypted ? { tls: { ca, certificate, privateKey } } : {}),
    ...(token === undefined ? {} : { bearerToken: token }),
  };
}

const readPem = async (path: string | undefined): Promise<Uint8Array | undefined> =>
  path === undefined ? undefined : readFile(path);

function bearerToken(file: string | undefined, text: string | undefined): BearerToken | undefined {
  if (file !== undefined) return () => readFile(file, 'utf8');
  return text === undefined || text === '' ? undefined : () => text;
}
