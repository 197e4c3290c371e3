import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ConfigError } from '../../../services/runtime/environment.ts';
import { createLogger } from '../../../services/runtime/logger.ts';
import { TargetFault } from '../../object-store.ts';
import { resolveCredentialProvider } from './resolve-credential-provider.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly body: string;
}

const options = { region: 'eu-central-1', logger: createLogger('test', 'silent') };
const expiration = '2099-01-02T03:04:05Z';
const seen: Seen[] = [];
let replies: { status: number; text: string; before?: () => Promise<void> }[] = [];
let folder = '';

const server = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (part: string) => {
    body += part;
  });
  request.on('end', () => {
    const { method, url, headers } = request;
    seen.push({ method, url, authorization: headers.authorization, body });
    const reply = replies[Math.min(seen.length, replies.length) - 1];
    void (reply?.before?.() ?? Promise.resolve()).then(() =>
      response.writeHead(reply?.status ?? 500).end(reply?.text),
    );
  });
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'credentials-'));
  seen.length = 0;
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
});

afterEach(async () => {
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  await rm(folder, { recursive: true });
});

const origin = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function webIdentity(token: string) {
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, token);
  return {
    AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/archiver',
    AWS_ENDPOINT_URL_STS: `${origin()}/`,
  };
}

const assumed = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult><Credentials><SessionToken>TOKEN/+==</SessionToken>
  <SecretAccessKey>SECRET</SecretAccessKey><Expiration>${expiration}</Expiration><AccessKeyId>ASIA1</AccessKeyId>
  </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
const stsError = (code: string) =>
  `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code></Error></ErrorResponse>`;
const temporary = {
  accessKeyId: 'ASIA1',
  secretAccessKey: 'SECRET',
  sessionToken: 'TOKEN/+==',
  expiresAt: new Date(expiration),
};

it('takes an access key from the environment, with its session token and end', async () => {
  const provider = resolveCredentialProvider(
    {
      AWS_ACCESS_KEY_ID: 'ASIA1',
      AWS_SECRET_ACCESS_KEY: 'SECRET',
      AWS_SESSION_TOKEN: 'TOKEN/+==',
      AWS_CREDENTIAL_EXPIRATION: expiration,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.com',
    },
    options,
  );
  const got = await provider.get();
  expect(got).toEqual(temporary);
  expect(await provider.replace(got)).toBeUndefined();
});

it('exchanges a web identity token for temporary credentials', async () => {
  replies = [{ status: 200, text: assumed }];
  const provider = resolveCredentialProvider(await webIdentity('JWT.A\n'), options);
  expect(await provider.get()).toEqual(temporary);
  expect(seen[0]).toMatchObject({ method: 'POST', url: '/', authorization: undefined });
  expect(Object.fromEntries(new URLSearchParams(seen[0]?.body))).toEqual({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: 'arn:aws:iam::123456789012:role/archiver',
    RoleSessionName: 'sekai-archiver',
    WebIdentityToken: 'JWT.A',
  });
});

it.each([
  [503, ''],
  [400, stsError('IDPCommunicationError')],
])('asks the token service again after %i %s', async (status, text) => {
  replies = [
    { status, text },
    { status: 200, text: assumed },
  ];
  const provider = resolveCredentialProvider(await webIdentity('JWT'), options);
  expect((await provider.get()).accessKeyId).toBe('ASIA1');
});

it('reads the token file again when its token has ended', async () => {
  const environment = await webIdentity('OLD');
  const rotate = () => writeFile(environment.AWS_WEB_IDENTITY_TOKEN_FILE, 'NEW');
  replies = [
    { status: 400, text: stsError('ExpiredTokenException'), before: rotate },
    { status: 200, text: assumed },
  ];
  await resolveCredentialProvider(environment, options).get();
  expect(seen.map(({ body }) => new URLSearchParams(body).get('WebIdentityToken'))).toEqual(['OLD', 'NEW']);
});

it('gives up on a token that is refused twice, and keeps it out of the error', async () => {
  replies = [{ status: 400, text: stsError('InvalidIdentityToken') }];
  const fault = await faultOf(resolveCredentialProvider(await webIdentity('JWT'), options).get());
  expect(fault.kind).toBe('credentials');
  expect(fault.message).toMatch(/400 InvalidIdentityToken/);
  expect(fault.stack).not.toContain('JWT');
  expect(seen).toHaveLength(2);
});

it('names the role when the token service refuses it', async () => {
  replies = [{ status: 403, text: stsError('AccessDenied') }];
  const fault = await faultOf(resolveCredentialProvider(await webIdentity('JWT'), options).get());
  expect(fault.cure).toMatch(/AWS_ROLE_ARN/);
  expect(seen).toHaveLength(1);
});

it('says when the token file cannot be read', async () => {
  const environment = { ...(await webIdentity('JWT')), AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'none') };
  const fault = await faultOf(resolveCredentialProvider(environment, options).get());
  expect(fault.cure).toMatch(/AWS_WEB_IDENTITY_TOKEN_FILE/);
});

const agentReply = JSON.stringify({
  AccessKeyId: 'ASIA1',
  SecretAccessKey: 'SECRET',
  Token: 'TOKEN/+==',
  Expiration: expiration,
});

it('asks the container endpoint with the token of the file, read anew each time', async () => {
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, 'ONE');
  replies = [
    { status: 500, text: '', before: () => writeFile(tokenFile, 'TWO') },
    { status: 200, text: agentReply },
  ];
  const provider = resolveCredentialProvider(
    {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${origin()}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'UNUSED',
    },
    options,
  );
  expect(await provider.get()).toEqual(temporary);
  expect(seen.map(({ authorization }) => authorization)).toEqual(['ONE', 'TWO']);
  expect(seen[0]?.url).toBe('/v1/credentials');
});

it.each([
  ['a refusal', 403, '{}', 1],
  ['an answer without credentials', 200, '{"AccessKeyId":"ASIA1"}', 1],
  ['an answer that is no JSON', 200, 'SECRET', 1],
  ['an endpoint in trouble', 500, '', 4],
])('takes %s of the container endpoint for a fault of the credentials', async (_, status, text, attempts) => {
  replies = [{ status, text }];
  const environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${origin()}/` };
  const fault = await faultOf(resolveCredentialProvider(environment, options).get());
  expect(fault.kind).toBe('credentials');
  expect(seen).toHaveLength(attempts);
});

it('refuses an authorization token with a line break', async () => {
  const environment = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${origin()}/`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'A\r\nX-Other: B',
  };
  const fault = await faultOf(resolveCredentialProvider(environment, options).get());
  expect(fault.message).toMatch(/line break/);
  expect(seen).toHaveLength(0);
});

it.each<[string, Record<string, string>, RegExp]>([
  ['nothing', {}, /AWS_ACCESS_KEY_ID.*AWS_WEB_IDENTITY_TOKEN_FILE.*AWS_CONTAINER_CREDENTIALS_FULL_URI/],
  ['a key without secret', { AWS_ACCESS_KEY_ID: 'AKID' }, /AWS_SECRET_ACCESS_KEY: expected a value/],
  ['a secret without key', { AWS_SECRET_ACCESS_KEY: 'S3CRET' }, /AWS_ACCESS_KEY_ID: (?!.*S3CRET)/],
  ['a token file without role', { AWS_WEB_IDENTITY_TOKEN_FILE: '/t' }, /AWS_ROLE_ARN: expected/],
  [
    'plain http to a foreign host',
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.com/' },
    /AWS_CONTAINER_CREDENTIALS_FULL_URI: expected an https URL/,
  ],
  [
    'a relative URI that leaves the endpoint',
    { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '.example.com/' },
    /AWS_CONTAINER_CREDENTIALS_RELATIVE_URI/,
  ],
  [
    'an end that is no time',
    { AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'S', AWS_CREDENTIAL_EXPIRATION: 'soon' },
    /AWS_CREDENTIAL_EXPIRATION: expected a time/,
  ],
])('refuses %s', (_, environment, message) => {
  const resolve = () => resolveCredentialProvider(environment, options);
  expect(resolve).toThrow(ConfigError);
  expect(resolve).toThrow(message);
});

async function faultOf(promise: Promise<unknown>): Promise<TargetFault> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  if (error instanceof TargetFault) return error;
  throw new Error('no TargetFault', { cause: error });
}
