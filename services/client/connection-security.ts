/** What a connection is protected with, and what a caller shows on it. */
import { type ChannelCredentials, credentials as channelCredentials, Metadata } from '@grpc/grpc-js';
import { ConnectionSecurityError } from './errors.ts';

/** PEM, all of them; nothing at all trusts the authorities that Node.js knows. */
export interface TlsSettings {
  /** Who may have issued the server's certificate, if not one of the well-known authorities. */
  readonly ca?: Uint8Array | undefined;
  /** The client certificate with its chain, where the server asks for one; together with its key. */
  readonly certificate?: Uint8Array | undefined;
  readonly privateKey?: Uint8Array | undefined;
}

/** Called before every attempt, so that a renewed token is found. */
export type BearerToken = () => string | Promise<string>;

/** @throws {ConnectionSecurityError} for what is no PEM, or a certificate without its key. */
export function tlsCredentials({ ca, certificate, privateKey }: TlsSettings): ChannelCredentials {
  const buffer = (pem: Uint8Array | undefined): Buffer | null =>
    pem === undefined ? null : Buffer.from(pem);
  if ((certificate === undefined) !== (privateKey === undefined)) {
    throw new ConnectionSecurityError('a client certificate and its private key are only good together');
  }
  try {
    return channelCredentials.createSsl(buffer(ca), buffer(privateKey), buffer(certificate));
  } catch (error) {
    const message = 'the certificates or the private key are no PEM, or do not belong together';
    throw new ConnectionSecurityError(message, { cause: error });
  }
}

/**
 * The metadata of a call. A token goes over plaintext only if it does not leave this machine.
 * @throws {ConnectionSecurityError} at once, if the token would.
 */
export function callMetadata(
  target: string,
  secure: boolean,
  token: BearerToken | undefined,
): () => Promise<Metadata> {
  if (token === undefined) return async () => new Metadata();
  if (!secure && !isLoopback(target)) {
    throw new ConnectionSecurityError(`a token is not sent over plaintext to ${target}: use TLS`);
  }
  return async () => {
    const text = (await token()).trim();
    if (!/^[\x21-\x7e]+$/.test(text)) throw new ConnectionSecurityError('the token is empty or not one word');
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${text}`);
    return metadata;
  };
}

/** Whether a gRPC target, such as `127.0.0.1:50051`, `ipv6:[::1]:50051` or `unix:/path`, is this machine. */
export function isLoopback(target: string): boolean {
  if (/^unix(-abstract)?:/.test(target)) return true;
  const hosts = target.replace(/^(dns:(\/\/[^/]*\/)?|ipv4:|ipv6:)/, '').split(',');
  return hosts.every((each) => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)(:\d+)?$/.test(each));
}
