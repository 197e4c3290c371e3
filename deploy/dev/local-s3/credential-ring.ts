import { S3Error, unknownAccessKey } from './s3-error.ts';
import type { S3Credential } from './settings.ts';

/** The credentials in force; they can be exchanged while requests run. */
export interface CredentialRing {
  replace(credentials: readonly S3Credential[]): void;
  /**
   * The credential a request may use, given the session token it carries.
   * @throws {S3Error} InvalidAccessKeyId, InvalidToken, ExpiredToken
   */
  find(accessKeyId: string, sessionToken: string | undefined, now: Date): S3Credential;
}

export function createCredentialRing(initial: readonly S3Credential[]): CredentialRing {
  let byId = index(initial);
  return {
    replace(credentials) {
      byId = index(credentials);
    },
    find(accessKeyId, sessionToken, now) {
      const credential = byId.get(accessKeyId);
      // AWS does not know a temporary key id without its token.
      if (credential === undefined || (credential.sessionToken !== undefined && sessionToken === undefined)) {
        throw unknownAccessKey(accessKeyId);
      }
      if (credential.sessionToken !== sessionToken) {
        throw new S3Error(400, 'InvalidToken', 'The provided token is malformed or otherwise invalid.');
      }
      if (credential.expiration !== undefined && now >= credential.expiration) {
        if (sessionToken === undefined) throw unknownAccessKey(accessKeyId);
        throw new S3Error(400, 'ExpiredToken', 'The provided token has expired.');
      }
      return credential;
    },
  };
}

const index = (credentials: readonly S3Credential[]) =>
  new Map(credentials.map((credential) => [credential.accessKeyId, credential]));
