import { readFile } from 'node:fs/promises';
import { TargetFault } from '../../object-store.ts';
import type { Credentials } from '../sigv4.ts';
import type { CredentialSource } from './credential-provider.ts';
import { fetchAttempts } from './fetch-attempts.ts';
import type { HttpFetch } from './http-fetch.ts';

export interface ContainerOptions {
  /** See {@link containerUrl}. */
  readonly url: URL;
  /** Wins over `token`. */
  readonly tokenFile?: string | undefined;
  readonly token?: string | undefined;
  readonly fetch: HttpFetch;
  readonly timeoutMs?: number;
}

const WHAT = 'the container credential endpoint';
const ECS_ORIGIN = 'http://169.254.170.2';
/** Hosts that may be asked without TLS, as in the AWS SDKs: this machine, ECS and EKS Pod Identity. */
const PLAIN_HOSTS = new Set(['localhost', '[::1]', '169.254.170.2', '169.254.170.23', '[fd00:ec2::23]']);

/** The endpoint that the variables name; undefined when plain HTTP would carry credentials to a foreign host. */
export function containerUrl(relativeUri: string | undefined, fullUri: string | undefined): URL | undefined {
  const text = relativeUri === undefined ? (fullUri ?? '') : `${ECS_ORIGIN}${relativeUri}`;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (relativeUri !== undefined) return url.origin === ECS_ORIGIN ? url : undefined;
  const plain = PLAIN_HOSTS.has(url.hostname) || /^127(\.\d{1,3}){3}$/.test(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && plain) ? url : undefined;
}

/** Temporary credentials from the agent beside the container (ECS, EKS Pod Identity). */
export function containerSource(options: ContainerOptions): CredentialSource {
  const { url, fetch, timeoutMs = 1000 } = options;
  return () =>
    fetchAttempts(WHAT, async () => {
      const authorization = await readAuthorization(options);
      const headers = {
        accept: 'application/json',
        ...(authorization === undefined ? {} : { authorization }),
      };
      const { status, text } = await fetch({ method: 'GET', url, headers, timeoutMs });
      if (status === 200) return credentialsFrom(text);
      if (status >= 500 || status === 429) return 'again';
      throw new TargetFault(
        'credentials',
        `${WHAT} answered with ${status}`,
        "check the role of the task or the pod identity association of the pod's service account",
      );
    });
}

async function readAuthorization({ tokenFile, token }: ContainerOptions): Promise<string | undefined> {
  // Read anew each time: EKS replaces the file before the token in it ends.
  const value =
    tokenFile === undefined
      ? token
      : await readFile(tokenFile, 'utf8').catch((cause: unknown) => {
          throw tokenFault('cannot be read', cause);
        });
  if (value !== undefined && /[\r\n]/.test(value)) throw tokenFault('holds a line break');
  return value;
}

const tokenFault = (what: string, cause?: unknown): TargetFault =>
  new TargetFault(
    'credentials',
    `the token for ${WHAT} ${what}`,
    'check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_CONTAINER_AUTHORIZATION_TOKEN',
    { cause },
  );

function credentialsFrom(text: string): Credentials {
  const reply = parseJson(text);
  const {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionToken,
    Expiration,
  } = reply;
  const expiresAt = new Date(typeof Expiration === 'string' ? Expiration : '');
  if (
    typeof accessKeyId !== 'string' ||
    typeof secretAccessKey !== 'string' ||
    Number.isNaN(expiresAt.getTime())
  ) {
    throw new TargetFault(
      'credentials',
      `${WHAT} answered without credentials`,
      'check AWS_CONTAINER_CREDENTIALS_FULL_URI or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
    );
  }
  return {
    accessKeyId,
    secretAccessKey,
    expiresAt,
    ...(typeof sessionToken === 'string' ? { sessionToken } : {}),
  };
}

function parseJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
