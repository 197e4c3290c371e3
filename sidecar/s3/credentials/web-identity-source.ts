import { readFile } from 'node:fs/promises';
import { TargetFault } from '../../object-store.ts';
import type { Credentials } from '../sigv4.ts';
import { childText, children, parseXml } from '../xml.ts';
import type { CredentialSource } from './credential-provider.ts';
import { fetchAttempts } from './fetch-attempts.ts';
import type { HttpFetch, HttpResult } from './http-fetch.ts';

export interface WebIdentityOptions {
  readonly tokenFile: string;
  readonly roleArn: string;
  readonly sessionName: string;
  /** AWS STS, or what stands for it. */
  readonly endpoint: URL;
  readonly fetch: HttpFetch;
  readonly timeoutMs?: number;
}

const WHAT = 'the AWS security token service';

/**
 * Exchanges a service account's token for temporary credentials (IAM roles for service accounts):
 * AssumeRoleWithWebIdentity, which is not signed.
 */
export function webIdentitySource(options: WebIdentityOptions): CredentialSource {
  const { tokenFile, roleArn, sessionName, endpoint, fetch, timeoutMs = 2000 } = options;
  let refusedToken: string | undefined;
  return () =>
    fetchAttempts(WHAT, async () => {
      // Read anew each time: the kubelet replaces the file before the token in it ends.
      const token = await readToken(tokenFile);
      const body = new URLSearchParams({
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        RoleArn: roleArn,
        RoleSessionName: sessionName,
        WebIdentityToken: token,
      }).toString();
      const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/xml' };
      const result = await fetch({ method: 'POST', url: endpoint, headers, body, timeoutMs });
      if (result.status === 200) return credentialsFrom(result.text);
      const code = errorCode(result);
      if (isTransient(result.status, code)) return 'again';
      // A token that ended just now may have a successor in the file: try once more, unless it is the same one again.
      if (isTokenFault(code) && refusedToken !== token) {
        refusedToken = token;
        return 'again';
      }
      throw refusal(result.status, code);
    });
}

async function readToken(path: string): Promise<string> {
  const token = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new TargetFault(
      'credentials',
      'the web identity token cannot be read',
      'check that AWS_WEB_IDENTITY_TOKEN_FILE names a file this process may read',
      { cause },
    );
  });
  return token.trim();
}

function credentialsFrom(xml: string): Credentials {
  const document = parseXml(xml);
  const result = children(document?.node, 'AssumeRoleWithWebIdentityResult')[0];
  const node = children(result, 'Credentials')[0];
  const accessKeyId = childText(node, 'AccessKeyId');
  const secretAccessKey = childText(node, 'SecretAccessKey');
  const sessionToken = childText(node, 'SessionToken');
  const expiresAt = new Date(childText(node, 'Expiration') ?? '');
  if (!accessKeyId || !secretAccessKey || !sessionToken || Number.isNaN(expiresAt.getTime())) {
    throw new TargetFault(
      'credentials',
      `${WHAT} answered without credentials`,
      'check AWS_ENDPOINT_URL_STS',
    );
  }
  return { accessKeyId, secretAccessKey, sessionToken, expiresAt };
}

function errorCode({ text }: HttpResult): string | undefined {
  const code = childText(children(parseXml(text)?.node, 'Error')[0], 'Code');
  return code !== undefined && /^[A-Za-z.]{1,64}$/.test(code) ? code : undefined;
}

const isTransient = (status: number, code: string | undefined): boolean =>
  status >= 500 || status === 429 || code === 'IDPCommunicationError' || code === 'Throttling';

const isTokenFault = (code: string | undefined): boolean =>
  code === 'InvalidIdentityToken' || code === 'ExpiredTokenException';

function refusal(status: number, code: string | undefined): TargetFault {
  return new TargetFault(
    'credentials',
    `${WHAT} refused the role with ${status}${code === undefined ? '' : ` ${code}`}`,
    isTokenFault(code)
      ? 'check that the role trusts the identity provider of this cluster, and the age of the file AWS_WEB_IDENTITY_TOKEN_FILE'
      : 'check AWS_ROLE_ARN and the trust policy of that role',
  );
}
