import { ConfigError } from '../../../services/runtime/environment.ts';
import type { Logger } from '../../../services/runtime/logger.ts';
import { awsSuffix } from '../s3-location.ts';
import { containerSource, containerUrl } from './container-source.ts';
import { type CredentialProvider, cachingProvider, staticProvider } from './credential-provider.ts';
import { type HttpFetch, httpFetch } from './http-fetch.ts';
import { webIdentitySource } from './web-identity-source.ts';

export interface ResolveOptions {
  /** Region whose security token service is asked. */
  readonly region: string;
  readonly logger: Logger;
  readonly fetch?: HttpFetch;
  readonly nowMs?: () => number;
}

/** Reads one variable; empty values count as unset. */
type Read = (name: string) => string | undefined;

/**
 * Chooses the source of credentials by the variables that are set, with the names and meanings of the AWS SDKs:
 * `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; `AWS_WEB_IDENTITY_TOKEN_FILE` and
 * `AWS_ROLE_ARN` (IRSA); `AWS_CONTAINER_CREDENTIALS_*` (EKS Pod Identity, ECS); in this order. Fetches nothing yet.
 * @throws {ConfigError} when none is set, or one only in part.
 */
export function resolveCredentialProvider(
  environment: Readonly<Record<string, string | undefined>>,
  options: ResolveOptions,
): CredentialProvider {
  const read: Read = (name) => environment[name] || undefined;
  const provider =
    environmentProvider(read) ?? webIdentityProvider(read, options) ?? containerProvider(read, options);
  if (provider !== undefined) return provider;
  throw new ConfigError([
    {
      name: 'AWS_ACCESS_KEY_ID',
      expected:
        'S3 credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or AWS_CONTAINER_CREDENTIALS_FULL_URI, or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
      value: undefined,
    },
  ]);
}

function environmentProvider(read: Read): CredentialProvider | undefined {
  const keys = readPair(read, 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY');
  if (keys === undefined) return undefined;
  const [accessKeyId, secretAccessKey] = keys;
  const sessionToken = read('AWS_SESSION_TOKEN');
  const expiration = read('AWS_CREDENTIAL_EXPIRATION');
  if (expiration !== undefined && Number.isNaN(Date.parse(expiration))) {
    const expected = 'a time such as 2026-01-02T03:04:05Z';
    throw new ConfigError([{ name: 'AWS_CREDENTIAL_EXPIRATION', expected, value: expiration }]);
  }
  return staticProvider({
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(expiration === undefined ? {} : { expiresAt: new Date(expiration) }),
  });
}

function webIdentityProvider(
  read: Read,
  { region, fetch, ...caching }: ResolveOptions,
): CredentialProvider | undefined {
  const pair = readPair(read, 'AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_ROLE_ARN');
  if (pair === undefined) return undefined;
  const [tokenFile, roleArn] = pair;
  const sessionName = read('AWS_ROLE_SESSION_NAME') ?? 'sekai-archiver';
  if (!/^[\w=,.@-]{2,64}$/.test(sessionName)) {
    const expected = '2 to 64 letters, digits and =,.@_-';
    throw new ConfigError([{ name: 'AWS_ROLE_SESSION_NAME', expected, value: sessionName }]);
  }
  const source = webIdentitySource({
    tokenFile,
    roleArn,
    sessionName,
    endpoint: tokenServiceUrl(read, region),
    fetch: fetch ?? httpFetch,
  });
  return cachingProvider(source, caching);
}

function tokenServiceUrl(read: Read, region: string): URL {
  const name = 'AWS_ENDPOINT_URL_STS';
  const value = read(name) ?? `https://sts.${region}.${awsSuffix(region)}/`;
  if (URL.canParse(value) && /^https?:/.test(value)) return new URL(value);
  throw new ConfigError([{ name, expected: 'a URL starting with https:// or http://', value }]);
}

function containerProvider(
  read: Read,
  { fetch, ...caching }: ResolveOptions,
): CredentialProvider | undefined {
  const relative = read('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI');
  const full = read('AWS_CONTAINER_CREDENTIALS_FULL_URI');
  if (relative === undefined && full === undefined) return undefined;
  const source = containerSource({
    url: checkedContainerUrl(relative, full),
    tokenFile: read('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'),
    token: read('AWS_CONTAINER_AUTHORIZATION_TOKEN'),
    fetch: fetch ?? httpFetch,
  });
  return cachingProvider(source, caching);
}

function checkedContainerUrl(relative: string | undefined, full: string | undefined): URL {
  const endpoint = containerUrl(relative, full);
  if (endpoint !== undefined) return endpoint;
  throw new ConfigError([
    relative === undefined
      ? {
          name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI',
          expected: 'an https URL, or http to this machine, ECS or EKS Pod Identity',
          value: full,
        }
      : { name: 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', expected: 'a path from "/"', value: relative },
  ]);
}

/** Both or neither. The values stay out of the error. */
function readPair(read: Read, first: string, second: string): [string, string] | undefined {
  const values = [read(first), read(second)] as const;
  if (values[0] !== undefined && values[1] !== undefined) return [values[0], values[1]];
  if (values[0] === undefined && values[1] === undefined) return undefined;
  const [name, partner] = values[0] === undefined ? [first, second] : [second, first];
  throw new ConfigError([{ name, expected: `a value, as ${partner} is set`, value: undefined }]);
}
