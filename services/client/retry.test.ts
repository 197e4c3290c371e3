import { getEventListeners } from 'node:events';
import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { clientOf, scriptedClient } from '../../test/_support/scripted-client.ts';
import {
  type CallSettings,
  type ImageGenerationClient,
  type RetryNotice,
  type RetryOptions,
} from './image-generation-client.ts';
import {
  acceptedEvent,
  CAPABILITIES,
  goodEvents,
  play,
  refusal,
  type ScriptedCall,
  send,
  startScriptedServer,
} from './scripted-server.ts';

const QUICK: RetryOptions = { baseDelayMs: 2 };

/** A server that answers the first calls with `failures`, in order, and all later ones well. */
async function failing(
  failures: readonly ((call: ScriptedCall) => void)[],
  retry: RetryOptions = QUICK,
): Promise<{ client: ImageGenerationClient; requestIds: string[] }> {
  const requestIds: string[] = [];
  const script = (call: ScriptedCall): void => {
    const answer = failures[requestIds.length] ?? play(goodEvents());
    requestIds.push(call.request.requestId);
    answer(call);
  };
  return { client: await scriptedClient(script, { retry }), requestIds };
}

/** A client of a server that is not there until `startServer`. */
async function withoutServer(
  script: (call: ScriptedCall) => void,
): Promise<{ client: ImageGenerationClient; startServer: () => void }> {
  const before = await startScriptedServer(() => {});
  before.stop();
  const { target } = before;
  const startServer = (): void =>
    void startScriptedServer(script, Number(target.split(':')[1])).then((server) =>
      onTestFinished(() => server.stop()),
    );
  return { client: clientOf({ target, retry: { baseDelayMs: 200 } }), startServer };
}

const refuse =
  (...args: Parameters<typeof refusal>) =>
  (call: ScriptedCall): void =>
    void call.emit('error', refusal(...args));
const unavailable = refuse(status.UNAVAILABLE, 'SHUTTING_DOWN');

async function noticesOf(
  client: ImageGenerationClient,
  settings: CallSettings = {},
): Promise<{ notices: RetryNotice[]; error: unknown }> {
  const notices: RetryNotice[] = [];
  const onRetry = (notice: RetryNotice): void => void notices.push(notice);
  const error: unknown = await client.generateImage({ prompt: 'x' }, { ...settings, onRetry }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { notices, error };
}

describe('a call is repeated', () => {
  it('when the server is unavailable, with the same request id each time', async () => {
    const { client, requestIds } = await failing([unavailable, unavailable, unavailable]);
    const { notices, error } = await noticesOf(client);
    expect(error).toBeUndefined();
    expect(notices.map(({ attempt, maxAttempts }) => `${attempt}/${maxAttempts}`)).toEqual([
      '1/4',
      '2/4',
      '3/4',
    ]);
    expect(requestIds).toHaveLength(4);
    expect(new Set(requestIds).size).toBe(1);
    expect(requestIds[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('with the id that the caller chose', async () => {
    const { client, requestIds } = await failing([unavailable]);
    const requestId = '00000000-0000-4000-8000-00000000000a';
    await client.generateImage({ prompt: 'x', requestId });
    expect(requestIds).toEqual([requestId, requestId]);
  });

  it('when nobody listens yet and then somebody does', async () => {
    const { client, startServer } = await withoutServer(play(goodEvents()));
    const onRetry = ({ attempt, error }: RetryNotice): void => {
      expect(error.codeName).toBe('UNAVAILABLE');
      if (attempt === 1) startServer();
    };
    expect((await client.generateImage({ prompt: 'x' }, { onRetry })).header?.width).toBe(640);
  });

  it('when the queue is full, not before the time the server asks for', async () => {
    const { client } = await failing([refuse(status.RESOURCE_EXHAUSTED, 'QUEUE_FULL', 80)]);
    const start = performance.now();
    const { notices, error } = await noticesOf(client);
    expect(error).toBeUndefined();
    expect(notices[0]?.delayMs).toBeGreaterThanOrEqual(80);
    // Timers may fire a fraction of a millisecond early.
    expect(performance.now() - start).toBeGreaterThanOrEqual(79);
  });

  it('when its own lost first attempt is still in progress', async () => {
    const inProgress = refuse(status.ABORTED, 'REQUEST_IN_PROGRESS');
    const { client, requestIds } = await failing([unavailable, inProgress]);
    expect((await noticesOf(client)).error).toBeUndefined();
    expect(requestIds).toHaveLength(3);
  });

  it('also for the capabilities', async () => {
    const { client, startServer } = await withoutServer(() => {});
    const onRetry = ({ attempt }: RetryNotice): void => {
      if (attempt === 1) startServer();
    };
    expect(await client.getCapabilities({ onRetry })).toEqual(CAPABILITIES);
  });
});

describe('a call is not repeated', () => {
  const cases: [string, (call: ScriptedCall) => void, string][] = [
    ['INVALID_ARGUMENT', refuse(status.INVALID_ARGUMENT, 'PROMPT_REQUIRED', 5), 'INVALID_ARGUMENT'],
    ['INTERNAL', refuse(status.INTERNAL, 'BACKEND_FAILED'), 'INTERNAL'],
    [
      'RESOURCE_EXHAUSTED without RetryInfo',
      refuse(status.RESOURCE_EXHAUSTED, 'BACKEND_OUT_OF_MEMORY'),
      'RESOURCE_EXHAUSTED',
    ],
    ["a request id that is somebody else's", refuse(status.ABORTED, 'REQUEST_IN_PROGRESS'), 'ABORTED'],
    [
      'UNAVAILABLE after `accepted`: the engine has worked',
      (call) => {
        send(call, acceptedEvent());
        unavailable(call);
      },
      'UNAVAILABLE',
    ],
    [
      'a server that wants a longer pause than is kept',
      refuse(status.UNAVAILABLE, 'SHUTTING_DOWN', 40_000),
      'UNAVAILABLE',
    ],
  ];
  for (const [name, answer, codeName] of cases) {
    it(`after ${name}`, async () => {
      const { client, requestIds } = await failing([answer]);
      const { notices, error } = await noticesOf(client);
      expect(error).toMatchObject({ codeName });
      expect(notices).toEqual([]);
      expect(requestIds).toHaveLength(1);
    });
  }

  it('more often than allowed', async () => {
    const { client, requestIds } = await failing(Array.from({ length: 9 }, () => unavailable));
    expect((await noticesOf(client)).error).toMatchObject({ reason: 'SHUTTING_DOWN' });
    expect(requestIds).toHaveLength(4);
  });

  it('at all with one attempt', async () => {
    const { client, requestIds } = await failing([unavailable], { maxAttempts: 1 });
    expect((await noticesOf(client)).error).toMatchObject({ codeName: 'UNAVAILABLE' });
    expect(requestIds).toHaveLength(1);
  });

  it('when the pause would outlast the deadline, and says so without waiting for it', async () => {
    const { client, requestIds } = await failing([refuse(status.UNAVAILABLE, 'SHUTTING_DOWN', 20_000)]);
    const start = performance.now();
    const { error } = await noticesOf(client, { deadlineMs: 10_000 });
    expect(error).toMatchObject({ codeName: 'UNAVAILABLE', retryAfterMs: 20_000 });
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(requestIds).toHaveLength(1);
  });
});

it('one deadline holds for all attempts together', async () => {
  const deadlines: number[] = [];
  const noteAnd =
    (answer: (call: ScriptedCall) => void) =>
    (call: ScriptedCall): void => {
      deadlines.push(Number(call.getDeadline()));
      answer(call);
    };
  const { client } = await failing([
    noteAnd(refuse(status.UNAVAILABLE, 'SHUTTING_DOWN', 1_500)),
    noteAnd(play(goodEvents())),
  ]);
  await client.generateImage({ prompt: 'x' }, { deadlineMs: 10_000 });
  const [first = 0, second = 0] = deadlines;
  // The wire carries the time left, rounded and taken anew by the server.
  expect(Math.abs(second - first)).toBeLessThan(1_000);
});

it('an abort during the pause ends the call at once with its reason and leaves no listener', async () => {
  const { client, requestIds } = await failing([refuse(status.UNAVAILABLE, 'SHUTTING_DOWN', 20_000)]);
  const controller = new AbortController();
  const reason = new Error('changed my mind');
  const call = client.generateImage(
    { prompt: 'x' },
    { signal: controller.signal, onRetry: () => controller.abort(reason) },
  );
  await expect(call).rejects.toBe(reason);
  expect(requestIds).toHaveLength(1);
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
});
