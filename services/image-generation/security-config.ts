/** The variables that decide who may call. */
import { type ConfigFault, integer, text } from '../runtime/environment.ts';

export const securityVariables = {
  TLS_CERT_FILE: text(
    'Certificate chain of the service; with it callers must use TLS.',
    'a PEM file, together with TLS_KEY_FILE',
  ).optional(),
  TLS_KEY_FILE: text('Private key of the service.', 'a PEM file, together with TLS_CERT_FILE').optional(),
  TLS_CLIENT_CA_FILE: text(
    'Authorities of client certificates; with it callers must have one.',
    'a PEM file, together with TLS_CERT_FILE and TLS_KEY_FILE',
  ).optional(),
  AUTH_TOKENS_FILE: text(
    'Hashes of bearer tokens; with it every method but health asks for one.',
    'a file of lines name:sha256hex',
  ).optional(),
  MAX_CONNECTIONS: integer('Connections of callers at once.', 1, 100_000).prefault('1000'),
};

export interface SecurityConfig {
  /** Undefined: plaintext (h2c). */
  readonly tls:
    | { readonly certFile: string; readonly keyFile: string; readonly clientCaFile: string | undefined }
    | undefined;
  /** Undefined: no tokens are asked for. */
  readonly authTokensFile: string | undefined;
  /** Connections of callers at once. */
  readonly maxConnections: number;
}

type SecurityVariable = 'TLS_CERT_FILE' | 'TLS_KEY_FILE' | 'TLS_CLIENT_CA_FILE' | 'AUTH_TOKENS_FILE';
type SecurityText = Readonly<Partial<Record<SecurityVariable, string | undefined>>>;

/** What is set although it makes no sense without what is not. Empty values count as unset. */
export function securityFaults(environment: SecurityText): ConfigFault[] {
  const { TLS_CERT_FILE: cert, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: clientCa } = environment;
  if (!cert && !key && !clientCa) return [];
  const missing = (name: string, expected: string, value: string | undefined): ConfigFault[] =>
    value ? [] : [{ name, expected, value: undefined }];
  const reason = key || cert ? 'the other of the pair is set' : 'TLS_CLIENT_CA_FILE is set';
  return [
    ...missing('TLS_CERT_FILE', `a PEM file, since ${reason}`, cert),
    ...missing('TLS_KEY_FILE', `a PEM file, since ${reason}`, key),
  ];
}

/** From variables without {@link securityFaults}. */
export function securityConfig(read: SecurityText & { readonly MAX_CONNECTIONS: number }): SecurityConfig {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_CLIENT_CA_FILE: clientCaFile } = read;
  const tls =
    certFile !== undefined && keyFile !== undefined ? { certFile, keyFile, clientCaFile } : undefined;
  return { tls, authTokensFile: read.AUTH_TOKENS_FILE, maxConnections: read.MAX_CONNECTIONS };
}
