/** The server's certificate, its key and the authority of client certificates, from files. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ConfigError, type ConfigFault } from '../../runtime/environment.ts';
import type { FileContent } from '../../runtime/watched-files.ts';

export interface TlsFiles {
  /** PEM: the server's certificate, followed by intermediate ones. */
  readonly certFile: string;
  /** PEM, not encrypted. */
  readonly keyFile: string;
  /** PEM: who may issue client certificates. Set: callers must have one. */
  readonly clientCaFile: string | undefined;
}

/** A checked set: key and certificate belong together. */
export interface TlsCredentials {
  /** Holds the private key: never to be logged. */
  readonly context: SecureContextOptions;
  readonly validFrom: Date;
  readonly validTo: Date;
}

/** The order in which {@link parseTlsCredentials} takes the contents. */
export const tlsPaths = ({ certFile, keyFile, clientCaFile }: TlsFiles): readonly string[] =>
  clientCaFile === undefined ? [certFile, keyFile] : [certFile, keyFile, clientCaFile];

/**
 * Checks the files' contents, in the order of {@link tlsPaths}. Dates are not checked: an expired certificate is
 * still better than none.
 * @throws {ConfigError} with every fault; no content is in it.
 */
export function parseTlsCredentials(files: TlsFiles, contents: readonly FileContent[]): TlsCredentials {
  const [cert, key, clientCa] = contents;
  const faults: ConfigFault[] = [];
  const read = <T>(name: string, path: string, expected: string, parse: () => T): T | undefined => {
    try {
      return parse();
    } catch (error) {
      faults.push({ name, expected, value: `${path} (${reasonOf(error)})` });
      return undefined;
    }
  };
  const certificate = read('TLS_CERT_FILE', files.certFile, 'a PEM certificate chain', () =>
    firstCertificate(bytesOf(cert)),
  );
  const privateKey = read('TLS_KEY_FILE', files.keyFile, 'a PEM private key', () =>
    createPrivateKey(bytesOf(key)),
  );
  if (files.clientCaFile !== undefined) {
    read('TLS_CLIENT_CA_FILE', files.clientCaFile, 'PEM certificates of authorities', () =>
      firstCertificate(bytesOf(clientCa)),
    );
  }
  if (certificate !== undefined && privateKey !== undefined) {
    read('TLS_KEY_FILE', files.keyFile, `the private key of ${files.certFile}`, () =>
      assertPair(certificate, privateKey),
    );
  }
  if (faults.length > 0 || certificate === undefined) throw new ConfigError(faults);
  const context: SecureContextOptions = {
    cert: bytesOf(cert),
    key: bytesOf(key),
    ...(clientCa === undefined ? {} : { ca: bytesOf(clientCa) }),
    minVersion: 'TLSv1.2',
  };
  read('TLS_CERT_FILE', files.certFile, 'certificates that OpenSSL takes', () =>
    createSecureContext(context),
  );
  if (faults.length > 0) throw new ConfigError(faults);
  return { context, validFrom: new Date(certificate.validFrom), validTo: new Date(certificate.validTo) };
}

function bytesOf(content: FileContent | undefined): Buffer {
  if (content === undefined) throw new Error('not read');
  if (content instanceof Error) throw content;
  return content;
}

/** Of a PEM file with any number of certificates; all of them are checked. */
function firstCertificate(pem: Buffer): X509Certificate {
  const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  const [first] = (blocks ?? []).map((block) => new X509Certificate(block));
  if (first === undefined) throw new Error('no certificate in it');
  return first;
}

function assertPair(certificate: X509Certificate, key: KeyObject): void {
  if (!certificate.checkPrivateKey(key)) throw new Error('it belongs to another certificate');
}

/** OpenSSL's and the file system's codes; their texts may be long, ours are short. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
