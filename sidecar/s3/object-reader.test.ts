import { createHash, randomBytes } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { TargetFault } from '../object-store.ts';
import { type CredentialProvider, staticProvider } from './credentials/credential-provider.ts';
import { answer, refusal, type Step } from './testing/scripted-store.ts';
import { closeOpened, drain, faultOf, key, never, storeOver, temporary } from './testing/store-over.ts';

afterEach(closeOpened);

const sha256 = createHash('sha256').update('x').digest();
const headers = {
  'content-type': 'image/jpeg',
  'content-length': '1',
  etag: '"e"',
  'last-modified': 'Fri, 02 Jan 2026 03:04:05 GMT',
  'x-amz-checksum-sha256': sha256.toString('base64'),
  'x-amz-meta-request-id': 'r-1',
};

it('signs HEAD, asks for the checksum and reads what the store keeps', async () => {
  const { server, store } = await storeOver([answer(200, 'x', headers)], {
    credentials: staticProvider(temporary),
  });
  expect(await store.reader.head(key, never)).toEqual({
    state: 'present',
    head: {
      sizeBytes: 1,
      contentType: 'image/jpeg',
      etag: 'e',
      sha256: sha256.toString('hex'),
      lastModified: new Date('2026-01-02T03:04:05Z'),
      metadata: { 'request-id': 'r-1' },
    },
  });
  const [request] = server.received;
  expect(request).toMatchObject({ method: 'HEAD', url: `/pairs/${key}` });
  expect(request?.headers).toMatchObject({
    'x-amz-checksum-mode': 'ENABLED',
    'x-amz-security-token': 'TOKENEXAMPLE',
  });
  expect(request?.headers.authorization).toMatch(
    /SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date;x-amz-security-token,/,
  );
});

it('does not take the checksum of a multipart upload for one of the object', async () => {
  const { store } = await storeOver([answer(200, 'x', { ...headers, 'x-amz-checksum-type': 'COMPOSITE' })]);
  expect(await store.reader.head(key, never)).toMatchObject({ head: { sha256: undefined } });
});

it.each([
  [200, 'present'],
  [404, 'absent'],
  [403, 'unknown'],
  [401, 'unknown'],
] as const)('tells by HEAD %i that an object is %s', async (status, existence) => {
  const { server, store } = await storeOver([answer(status)]);
  expect(await store.exists(key, never)).toBe(existence);
  expect(server.received).toHaveLength(1);
});

it('asks again after HEAD 503', async () => {
  const { server, store } = await storeOver([answer(503), answer(404)]);
  expect(await store.exists(key, never)).toBe('absent');
  expect(server.received).toHaveLength(2);
});

it('asks again and again over one connection', async () => {
  const { server, store } = await storeOver([answer(404), answer(200), answer(404)], { connections: 1 });
  for (const existence of ['absent', 'present', 'absent']) {
    expect(await store.exists(key, never)).toBe(existence);
  }
  expect(server.sockets()).toBe(1);
});

it.each([0, 20])('survives a body that comes %i ms after an answer to HEAD', async (delayMs) => {
  const withBody: Step = async ({ response }) => {
    const { socket } = response;
    socket?.write('HTTP/1.1 404 Not Found\r\nContent-Length: 22\r\nConnection: keep-alive\r\n\r\n');
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    socket?.write('<Error><Code>NoSuchKey');
  };
  const { server, store } = await storeOver([withBody, answer(200)]);
  expect(await store.exists(key, never)).toBe('absent');
  expect(await store.exists(key, never)).toBe('present');
  expect(server.sockets()).toBe(2);
});

it('names the region of a bucket that is elsewhere', async () => {
  const { store } = await storeOver([answer(400, '', { 'x-amz-bucket-region': 'eu-west-1' })]);
  expect((await faultOf(store.exists(key, never))).cure).toMatch(/S3_REGION=eu-west-1/);
});

it("dates by the store's clock when HEAD is refused for a wrong clock", async () => {
  const ahead = new Date(Date.now() + 3600_000).toUTCString();
  const { server, store } = await storeOver([answer(403, '', { date: ahead }), answer(200)]);
  expect(await store.exists(key, never)).toBe('present');
  expect(server.received[1]?.headers['x-amz-date']).not.toBe(server.received[0]?.headers['x-amz-date']);
});

it('takes fresh credentials after HEAD 400, which is how an ended session token is told', async () => {
  let current = temporary;
  const rotating: CredentialProvider = {
    get: async () => current,
    replace: async () => {
      current = { ...temporary, sessionToken: 'FRESH' };
      return current;
    },
  };
  const { server, store } = await storeOver([answer(400), answer(200)], { credentials: rotating });
  expect(await store.exists(key, never)).toBe('present');
  expect(server.received[1]?.headers['x-amz-security-token']).toBe('FRESH');
});

it('reads an object as a stream and hashes it', async () => {
  const bytes = randomBytes(3_000_000);
  const send: Step = ({ response }) => void response.writeHead(200).end(bytes);
  const { server, store } = await storeOver([send]);
  const got = await store.reader.get(key, {}, never);
  if (got.state !== 'present') throw new Error(got.state);
  expect(got.sha256()).toBeUndefined();
  const chunks: Uint8Array[] = [];
  for await (const chunk of got.body) chunks.push(chunk);
  expect(chunks.length).toBeGreaterThan(1);
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  expect(got.sha256()).toBe(createHash('sha256').update(bytes).digest('hex'));
  expect(server.received[0]?.headers.authorization).toBeDefined();
});

it('asks for a range as anybody, without any credentials', async () => {
  const { server, store } = await storeOver([answer(206, 'x', { 'content-range': 'bytes 0-0/9' })]);
  const got = await store.reader.get(key, { range: 'bytes=0-0', anonymous: true }, never);
  expect(got.state).toBe('present');
  if (got.state === 'present') got.close();
  const sent = server.received[0]?.headers ?? {};
  expect(sent['range']).toBe('bytes=0-0');
  expect(Object.keys(sent).filter((name) => name.startsWith('x-amz') || name === 'authorization')).toEqual(
    [],
  );
});

it.each([
  [401, 'forbidden'],
  [403, 'forbidden'],
  [404, 'absent'],
])('reports an anonymous GET answered with %i as %s', async (status, state) => {
  const { store } = await storeOver([answer(status)]);
  expect((await store.reader.get(key, { anonymous: true }, never)).state).toBe(state);
});

const cutOff: Step = ({ response }) => {
  response.writeHead(200, { 'content-length': '1000' }).write('part');
  setImmediate(() => response.destroy());
};

it('reports a body that is cut off as a network fault, without a hash', async () => {
  const { store } = await storeOver([cutOff]);
  const got = await store.reader.get(key, {}, never);
  if (got.state !== 'present') throw new Error(got.state);
  await expect(drain(got.body)).rejects.toBeInstanceOf(TargetFault);
  expect(got.sha256()).toBeUndefined();
});

it('stops reading a body when the caller aborts', async () => {
  const { store } = await storeOver([({ response }) => void response.writeHead(200).write('part')]);
  const controller = new AbortController();
  const got = await store.reader.get(key, {}, controller.signal);
  if (got.state !== 'present') throw new Error(got.state);
  const reason = new Error('enough');
  const reading = (async () => {
    for await (const _ of got.body) controller.abort(reason);
  })();
  await expect(reading).rejects.toBe(reason);
});

it('frees the connection of a body that is left early', async () => {
  const endless: Step = ({ response }) => void response.writeHead(200).write('part');
  const { store } = await storeOver([endless, answer(404)], { connections: 1 });
  const got = await store.reader.get(key, {}, never);
  if (got.state !== 'present') throw new Error(got.state);
  for await (const _ of got.body) break;
  expect(await store.exists(key, never)).toBe('absent');
});

const acl = (grantee: string) =>
  `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>o</ID></Owner><AccessControlList>
  <Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>o</ID></Grantee>
  <Permission>FULL_CONTROL</Permission></Grant>${grantee}</AccessControlList></AccessControlPolicy>`;
const group = (name: string) =>
  `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/${name}</URI></Grantee><Permission>READ</Permission></Grant>`;

it.each([
  ['', []],
  [group('global/AllUsers'), [{ grantee: 'everyone', permission: 'READ' }]],
  [group('global/AuthenticatedUsers'), [{ grantee: 'any-account', permission: 'READ' }]],
  [group('s3/LogDelivery'), [{ grantee: 'other-group', permission: 'READ' }]],
])('reads the grants of an access control list %#', async (xml, more) => {
  const { server, store } = await storeOver([answer(200, acl(xml))]);
  expect(await store.reader.getAcl(key, never)).toEqual({
    state: 'known',
    grants: [{ grantee: 'account', permission: 'FULL_CONTROL' }, ...more],
  });
  expect(server.received[0]?.url).toBe(`/pairs/${key}?acl`);
});

it.each<[string, Step]>([
  ['a list of the bucket', answer(200, '<ListBucketResult><Name>pairs</Name></ListBucketResult>')],
  ['a refusal', refusal(403, 'AccessDenied')],
  ['501', refusal(501, 'NotImplemented')],
  ['garbage', answer(200, 'hello')],
])('takes %s for no answer about access', async (_, step) => {
  const { store } = await storeOver([step]);
  expect((await store.reader.getAcl(key, never)).state).toBe('unknown');
  expect((await store.reader.policyStatus(never)).state).toBe('unknown');
  expect((await store.reader.publicAccessBlock(never)).state).toBe('unknown');
});

it('reads whether the policy of the bucket makes it public', async () => {
  const status = (isPublic: string) =>
    answer(
      200,
      `<PolicyStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsPublic>${isPublic}</IsPublic></PolicyStatus>`,
    );
  const { server, store } = await storeOver([
    status('TRUE'),
    status('false'),
    refusal(404, 'NoSuchBucketPolicy'),
  ]);
  expect(await store.reader.policyStatus(never)).toEqual({ state: 'known', isPublic: true });
  expect(await store.reader.policyStatus(never)).toEqual({ state: 'known', isPublic: false });
  expect(await store.reader.policyStatus(never)).toEqual({ state: 'known', isPublic: false });
  expect(server.received[0]?.url).toBe('/pairs?policyStatus');
});

it('reads the block of public access, and its absence', async () => {
  const xml =
    '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>';
  const { store } = await storeOver([answer(200, xml), refusal(404, 'NoSuchPublicAccessBlockConfiguration')]);
  expect(await store.reader.publicAccessBlock(never)).toEqual({
    state: 'known',
    blockPublicAcls: true,
    ignorePublicAcls: true,
    blockPublicPolicy: true,
    restrictPublicBuckets: false,
  });
  expect(await store.reader.publicAccessBlock(never)).toMatchObject({
    state: 'known',
    blockPublicAcls: false,
  });
});
