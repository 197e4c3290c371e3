/** Who may call, with a real client over real TLS. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { status } from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import { ConfigError } from '../../services/runtime/environment.ts';
import { collect, type ImageGenerationFixture } from '../_support/image-generation-fixture.ts';
import { createAuthority } from '../_support/certificates.ts';
import { richStatus } from '../_support/rich-status.ts';
import { answerOf, RAW_METHODS } from '../_support/raw-call.ts';
import { bearer, capabilitiesError, newToken, startSecuredService } from '../_support/secured-service.ts';
import { wireRequest } from '../_support/wire-request.ts';

const SMALL = wireRequest({ width: 64, height: 64, steps: 1 });

const linesOf = ({ logLines }: ImageGenerationFixture, message: string) =>
  logLines.filter(({ msg }) => msg === message);

const REFUSED_CALL = 'call refused: not authenticated';
const REFUSED_CONNECTION = 'TLS connection refused';

test('without any of it the service speaks plaintext and names callers by their host', async () => {
  await using secured = await startSecuredService({ tls: false });
  const { error } = await collect(secured.client().generateImage(SMALL, bearer('whatever')));
  expect(error).toBeUndefined();
  await vi.waitFor(() => expect(linesOf(secured.fixture, 'call ended')).toHaveLength(1));
  expect(linesOf(secured.fixture, 'call ended')[0]).toMatchObject({
    caller: expect.stringMatching(/127|::1/),
  });
});

test('a caller with a token over TLS is served and named by its token', async () => {
  const token = newToken();
  await using secured = await startSecuredService({ tokens: { [token]: 'studio' } });
  const forged = bearer(token);
  forged.set('caller', 'somebody-else');
  const { error } = await collect(secured.client().generateImage(SMALL, forged));
  expect(error).toBeUndefined();
  await vi.waitFor(() =>
    expect(linesOf(secured.fixture, 'call ended')[0]).toMatchObject({ caller: 'studio' }),
  );
  expect(JSON.stringify(secured.fixture.logLines)).not.toContain(token);
});

test.each([
  ['no token', undefined, 'TOKEN_REQUIRED'],
  ['a wrong token', `Bearer ${newToken()}`, 'TOKEN_INVALID'],
  ['the hash instead of the token', `Bearer ${'0'.repeat(64)}`, 'TOKEN_INVALID'],
  ['another scheme', 'Basic c3R1ZGlvOnNlY3JldA==', 'TOKEN_INVALID'],
  ['a scheme alone', 'Bearer', 'TOKEN_INVALID'],
])('with %s a call is UNAUTHENTICATED, logged once and without it', async (_, header, reason) => {
  await using secured = await startSecuredService({ tokens: { [newToken()]: 'studio' } });
  const metadata = bearer('x');
  metadata.remove('authorization');
  if (header !== undefined) metadata.set('authorization', header);
  const error = await capabilitiesError(secured.client(), metadata);
  const told = richStatus(error);
  expect(told).toMatchObject({ code: status.UNAUTHENTICATED, reason, domain: 'image.sekai' });
  const lines = linesOf(secured.fixture, REFUSED_CALL);
  expect(lines).toEqual([
    expect.objectContaining({
      level: 'warn',
      reason,
      method: '/sekai.image.v1.ImageGenerationService/GetCapabilities',
      peer: expect.stringContaining(':'),
    }),
  ]);
  const secret = header?.split(' ')[1] ?? 'Bearer';
  expect(JSON.stringify(secured.fixture.logLines) + told.everything).not.toContain(secret);
});

test.each(RAW_METHODS)('$path asks for a token: $open', async ({ path, open, request }) => {
  const token = newToken();
  await using secured = await startSecuredService({ tokens: { [token]: 'studio' } });
  const target = secured.fixture.target;
  const stranger = await answerOf(target, secured.channel(), path, request);
  expect(stranger.code).toBe(open === 'open' ? status.OK : status.UNAUTHENTICATED);
  expect(stranger.messages).toBe(open === 'open' ? 1 : 0);
  const known = await answerOf(target, secured.channel(), path, request, bearer(token));
  expect([known.code, known.messages > 0]).toEqual([status.OK, true]);
});

test('with mutual TLS the certificate names the caller; with tokens as well, the token does', async () => {
  const token = newToken();
  await using certain = await startSecuredService({ clientCertificates: true });
  const spiffe = 'spiffe://sekai/ns/studio/sa/web';
  const pair = await certain.clientAuthority.issue({
    commonName: 'ignored',
    names: [
      { type: 'dns', value: 'web.studio' },
      { type: 'url', value: spiffe },
    ],
  });
  expect((await collect(certain.client(pair).generateImage(SMALL))).error).toBeUndefined();
  await vi.waitFor(() => expect(linesOf(certain.fixture, 'call ended')[0]).toMatchObject({ caller: spiffe }));

  await using both = await startSecuredService({ clientCertificates: true, tokens: { [token]: 'studio' } });
  const client = both.client(await both.clientAuthority.issue({ commonName: 'web', names: [] }));
  expect((await collect(client.generateImage(SMALL, bearer(token)))).error).toBeUndefined();
  await vi.waitFor(() => expect(linesOf(both.fixture, 'call ended')[0]).toMatchObject({ caller: 'studio' }));
  const told = richStatus(await capabilitiesError(client));
  expect(told.reason).toBe('TOKEN_REQUIRED');
  expect(linesOf(both.fixture, REFUSED_CALL)[0]).toMatchObject({ certificate: 'web' });
});

test('a certificate without a name is not enough', async () => {
  await using secured = await startSecuredService({ clientCertificates: true });
  const nameless = await secured.clientAuthority.issue({ names: [] });
  const told = richStatus(await capabilitiesError(secured.client(nameless)));
  expect(told).toMatchObject({ code: status.UNAUTHENTICATED, reason: 'CERTIFICATE_REQUIRED' });
});

test('no, expired and foreign client certificates are refused in the handshake, each logged once', async () => {
  const token = newToken();
  await using secured = await startSecuredService({
    clientCertificates: true,
    tokens: { [token]: 'studio' },
  });
  const expired = await secured.clientAuthority.issue({
    commonName: 'late',
    notAfter: new Date(Date.now() - 1_000),
  });
  const foreign = await (await createAuthority('another')).issue({ commonName: 'foreign', names: [] });
  for (const [certificate, reason, name] of [
    [undefined, 'NO_CLIENT_CERTIFICATE', undefined],
    [expired, 'CERT_HAS_EXPIRED', 'localhost'],
    [foreign, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'foreign'],
  ] as const) {
    secured.fixture.logLines.length = 0;
    const client = secured.client(certificate);
    expect((await capabilitiesError(client, bearer(token)))?.code).toBe(status.UNAVAILABLE);
    client.close();
    const lines = linesOf(secured.fixture, REFUSED_CONNECTION);
    expect(lines).toMatchObject([{ level: 'warn', reason, peer: expect.stringContaining(':') }]);
    expect(lines[0]?.['certificate']).toBe(name);
    expect(JSON.stringify(lines)).not.toContain(token);
  }
});

test('plaintext to the TLS port is refused, and a port probe is not worth a warning', async () => {
  await using secured = await startSecuredService();
  const port = secured.fixture.service.grpcPort;
  const probe = connectPlain(port, '127.0.0.1');
  probe.once('connect', () => probe.end());
  await vi.waitFor(
    () => expect(linesOf(secured.fixture, 'connection ended before its TLS handshake')).toHaveLength(1),
    { timeout: 5_000 },
  );
  const talker = connectPlain(port, '127.0.0.1');
  talker.on('error', () => {});
  talker.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  await vi.waitFor(() => expect(linesOf(secured.fixture, REFUSED_CONNECTION)).toHaveLength(1), {
    timeout: 5_000,
  });
  talker.destroy();
});

test('connections beyond the limit are refused, and there is room again when one ends', async () => {
  await using secured = await startSecuredService({ environment: { MAX_CONNECTIONS: '1' } });
  const first = secured.client();
  expect(await capabilitiesError(first)).toBeUndefined();
  expect((await capabilitiesError(secured.client()))?.code).toBe(status.UNAVAILABLE);
  expect(linesOf(secured.fixture, 'connection refused: too many')[0]).toMatchObject({ maxConnections: 1 });
  first.close();
  await vi.waitFor(async () => expect(await capabilitiesError(secured.client())).toBeUndefined(), {
    timeout: 10_000,
  });
});

test('files that cannot be used at the start are faults of the configuration, and nothing is left running', async () => {
  const environment = { TLS_CERT_FILE: '/nowhere/tls.crt', TLS_KEY_FILE: '/nowhere/tls.key' };
  const start = startSecuredService({ environment });
  await expect(start).rejects.toThrow(ConfigError);
  await expect(start).rejects.toThrow(/TLS_CERT_FILE: .*ENOENT[^]*TLS_KEY_FILE: .*ENOENT/);
});

test('a stop cuts off who never finished a handshake, and who only watches', async () => {
  const secured = await startSecuredService();
  const silent = connectPlain(secured.fixture.service.grpcPort, '127.0.0.1');
  await once(silent, 'connect');
  const client = secured.client();
  expect(await capabilitiesError(client)).toBeUndefined();
  const watch = client.makeServerStreamRequest(
    '/grpc.health.v1.Health/Watch',
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    Buffer.alloc(0),
  );
  const watchEnded = new Promise((resolve) => watch.once('error', resolve));
  await once(watch, 'data');
  await Promise.all([secured.fixture.service.stop(), once(silent, 'close'), watchEnded]);
  await secured[Symbol.asyncDispose]();
});

test('more metadata than anybody needs is refused, and so is more than Node reads', async () => {
  await using secured = await startSecuredService();
  const sized = (bytes: number) => {
    const metadata = bearer('x');
    metadata.set('x-large', randomBytes(bytes / 2).toString('hex'));
    return metadata;
  };
  const client = secured.client();
  expect(await capabilitiesError(client, sized(15_000))).toBeUndefined();
  const told = richStatus(await capabilitiesError(client, sized(20_000)));
  expect(told).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'METADATA_TOO_LARGE' });
  expect(await capabilitiesError(client, sized(200_000))).toBeDefined();
  expect(await capabilitiesError(client, sized(100))).toBeUndefined();
});

test('a stranger who calls without end does not fill the log', async () => {
  await using secured = await startSecuredService({ tokens: { [newToken()]: 'studio' } });
  const client = secured.client();
  await Promise.all(Array.from({ length: 200 }, () => capabilitiesError(client)));
  expect(linesOf(secured.fixture, REFUSED_CALL)).toHaveLength(20);
});
