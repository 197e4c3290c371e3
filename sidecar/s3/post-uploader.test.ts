import { randomBytes } from 'node:crypto';
import { afterEach, expect, it, vi } from 'vitest';
import { staticProvider } from './credentials/credential-provider.ts';
import { signPolicy } from './presigned-post.ts';
import { answer, refusal, silence, type Step, stored } from './testing/scripted-store.ts';
import {
  closeOpened,
  credentials,
  faultOf,
  key,
  never,
  objectOf,
  opened,
  storeOver,
  temporary,
} from './testing/store-over.ts';

afterEach(closeOpened);

it('posts the signed fields and the bytes to the bucket, with a known length', async () => {
  const { server, store } = await storeOver([stored], { credentials: staticProvider(temporary) });
  const object = objectOf(randomBytes(700_000));
  await store.put(object, never);
  const [request] = server.received;
  expect(request?.url).toBe('/pairs');
  expect(request?.headers['transfer-encoding']).toBeUndefined();
  expect(request?.headers.authorization).toBeUndefined();
  expect(request?.file?.equals(object.body)).toBe(true);
  const { policy = '', 'x-amz-signature': signature, 'x-amz-date': date, ...fields } = request?.fields ?? {};
  expect(fields).toEqual({
    key,
    acl: 'private',
    'Content-Type': 'image/jpeg',
    success_action_status: '201',
    'x-amz-checksum-algorithm': 'SHA256',
    'x-amz-checksum-sha256': Buffer.from(object.sha256).toString('base64'),
    'x-amz-meta-request-id': 'r-1',
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `AKIDEXAMPLE/${date?.slice(0, 8)}/us-east-1/s3/aws4_request`,
    'x-amz-security-token': 'TOKENEXAMPLE',
  });
  expect(signature).toBe(signPolicy(policy, credentials.secretAccessKey, new Date(), 'us-east-1'));
});

it('leaves ACL and checksum out when configured so', async () => {
  const { server, store } = await storeOver([stored], {}, { objectAcl: 'none', checksum: 'none' });
  await store.put(objectOf(), never);
  const names = Object.keys(server.received[0]?.fields ?? {}).join();
  expect(names).toContain('policy');
  expect(names).not.toMatch(/acl|checksum/);
});

it.each([201, 204, 200])('takes an empty %i for success', async (status) => {
  const { store } = await storeOver([answer(status)]);
  await expect(store.put(objectOf(), never)).resolves.toBeUndefined();
});

it('does not take the 200 of a proxy for success', async () => {
  const { store } = await storeOver([answer(200, '<html><body>Please log in</body></html>')]);
  expect((await faultOf(store.put(objectOf(), never))).kind).toBe('configuration');
});

it('refuses an answer that names another key', async () => {
  const { store } = await storeOver([answer(201, '<PostResponse><Key>other</Key></PostResponse>')]);
  expect((await faultOf(store.put(objectOf(), never))).message).toMatch(/another key/);
});

it('keeps its connection through refusals', async () => {
  const { server, store } = await storeOver(
    [
      refusal(503, 'SlowDown'),
      refusal(500, 'InternalError', `<Message>${'x'.repeat(10_000)}</Message>`),
      stored,
    ],
    { connections: 1 },
  );
  await store.put(objectOf(), never);
  await store.put(objectOf(), never);
  expect(server.received).toHaveLength(4);
  expect(server.sockets()).toBe(1);
});

it('reads no more than a bounded part of an endless answer', async () => {
  let written = 0;
  const endless: Step = async ({ body, response }) => {
    await body();
    response.writeHead(403);
    const part = Buffer.alloc(64 * 1024, 'x');
    const more = (): void => {
      while (!response.destroyed && written < 200_000_000) {
        written += part.length;
        if (!response.write(part)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  };
  const { store } = await storeOver([endless]);
  expect((await faultOf(store.put(objectOf(), never))).kind).toBe('permission');
  expect(written).toBeLessThan(50_000_000);
});

it('takes a refusal that comes before the body has been sent', async () => {
  const early: Step = ({ request, response }) => {
    response.writeHead(403, { connection: 'close' }).end('<Error><Code>AccessDenied</Code></Error>');
    request.resume();
  };
  const { store } = await storeOver([early]);
  expect((await faultOf(store.put(objectOf(randomBytes(8_000_000)), never))).kind).toBe('permission');
});

it('stops at once when the caller aborts during the upload, and leaves no socket', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  let cutOff: (seen: number) => void = () => {};
  const cutOffAt = new Promise<number>((resolve) => {
    cutOff = resolve;
  });
  const { server, store } = await storeOver([
    async ({ request }) => {
      let seen = 0;
      try {
        for await (const chunk of request as AsyncIterable<Buffer>) {
          seen += chunk.length;
          controller.abort(reason);
        }
      } catch {
        cutOff(seen);
      }
    },
  ]);
  await expect(store.put(objectOf(randomBytes(32_000_000)), controller.signal)).rejects.toBe(reason);
  expect(await cutOffAt).toBeLessThan(32_000_000);
  expect(server.received).toHaveLength(1);
  await store.close();
  await vi.waitFor(async () => expect(await server.openSockets()).toBe(0), { interval: 5 });
});

it('stops at once when the caller aborts between two attempts', async () => {
  const controller = new AbortController();
  const { store } = await storeOver([refusal(503, 'SlowDown')], {
    pauses: { throttledBaseMs: 40_000, maxMs: 40_000 },
  });
  const put = store.put(objectOf(), controller.signal);
  await vi.waitFor(() => expect(opened.log).toContain('tried again'), { interval: 5 });
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(put).rejects.toBe(reason);
});

it('does nothing for a caller who has aborted already', async () => {
  const { server, store } = await storeOver([stored]);
  await expect(store.put(objectOf(), AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
  expect(server.received).toHaveLength(0);
});

it('leaves no listener on the signal of the caller', async () => {
  const { store } = await storeOver([refusal(503, 'SlowDown'), stored]);
  const controller = new AbortController();
  const added = vi.spyOn(controller.signal, 'addEventListener');
  const removed = vi.spyOn(controller.signal, 'removeEventListener');
  await store.put(objectOf(), controller.signal);
  expect(added.mock.calls.length).toBeGreaterThan(0);
  expect(removed.mock.calls.length).toBe(added.mock.calls.length);
});

it('cuts requests off that are not done when the grace of close is over', async () => {
  const { server, store } = await storeOver([silence]);
  const put = store.put(objectOf(), never);
  const failed = faultOf(put);
  await vi.waitFor(() => expect(server.received).toHaveLength(1), { interval: 5 });
  await store.close(20);
  await store.close(20);
  expect((await failed).kind).toBe('network');
});

it('keeps key, token, policy and signature out of errors and log lines', async () => {
  const echo: Step = async ({ response, body }) => {
    const form = (await body()).toString('latin1');
    const message = `<Message>${form.replaceAll(/[<>&\r\n]/g, ' ').slice(0, 20_000)}</Message>`;
    response.writeHead(403).end(`<Error><Code>AccessDenied</Code>${message}</Error>`);
  };
  const { server, store } = await storeOver([refusal(500, 'InternalError'), echo], {
    credentials: staticProvider(temporary),
  });
  const fault = await faultOf(store.put(objectOf(), never));
  expect(fault.kind).toBe('permission');
  const said = `${fault.stack} ${fault.cure} ${JSON.stringify(fault)} ${opened.log}`;
  const fields = server.received[1]?.fields ?? {};
  for (const secret of ['SECRETKEYEXAMPLE', 'TOKENEXAMPLE', fields['policy'], fields['x-amz-signature']]) {
    expect(secret).toBeTruthy();
    expect(said).not.toContain(secret);
  }
  expect(said).not.toContain('x-amz-credential');
});

it('keeps the bytes of an answer that is no HTTP out of the error', async () => {
  const { store } = await storeOver([({ request }) => void request.socket.end('SECRETBYTES\r\n\r\n')]);
  const fault = await faultOf(store.put(objectOf(), never));
  expect(fault.message).toMatch(/HPE_/);
  expect(fault.cause).toBeUndefined();
});
