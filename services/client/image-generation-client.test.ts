import { getEventListeners, once } from 'node:events';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { clientOf, scriptedClient } from '../../test/_support/scripted-client.ts';
import { GenerateImageError } from './image-generation-client.ts';
import {
  acceptedEvent,
  CAPABILITIES,
  chunkEvents,
  detailedError,
  goodEvents,
  headerEvent,
  IMAGE,
  IMAGE_HASH,
  play,
  resultEvent,
  send,
  startScriptedServer,
} from './scripted-server.ts';

describe('a good stream', () => {
  it('gives the bytes, the header and the result, and tells of events in order', async () => {
    const client = await scriptedClient(play(goodEvents()));
    const told: string[] = [];
    const image = await client.generateImage(
      { prompt: 'a lighthouse' },
      {
        onAccepted: (accepted) => told.push(`seed ${accepted.parameters?.seed}`),
        onProgress: (progress) => told.push(`fraction ${progress.fraction}`),
      },
    );
    expect(Buffer.compare(image.bytes, IMAGE)).toBe(0);
    expect(image.header?.mediaType).toBe('image/jpeg');
    expect(image.result.imageHash).toBe(IMAGE_HASH);
    expect(image.accepted.engine).toBe('scripted');
    expect(told).toEqual(['seed 7', 'fraction 0.5']);
  });

  it('sends the fields that were given and leaves the others unset', async () => {
    let received: unknown;
    const client = await scriptedClient((call) => {
      received = call.request;
      play(goodEvents())(call);
    });
    await client.generateImage({ prompt: 'a lighthouse', seed: 0 });
    expect(received).toMatchObject({ prompt: 'a lighthouse', seed: 0, width: undefined, loras: [] });
  });

  it('has no payload for response format S3', async () => {
    const client = await scriptedClient(play([acceptedEvent(3), resultEvent(IMAGE_HASH)]));
    const image = await client.generateImage({ prompt: 'x', responseFormat: 3 });
    expect(image.bytes.length).toBe(0);
    expect(image.header).toBeUndefined();
  });

  it('takes a PNG whose image hash is that of the archived JPEG', async () => {
    const png = [acceptedEvent(), headerEvent(IMAGE, 'image/png'), ...chunkEvents(IMAGE), resultEvent('ab')];
    const client = await scriptedClient(play(png));
    expect((await client.generateImage({ prompt: 'x' })).result.imageHash).toBe('ab');
  });

  it('serves calls beside each other', async () => {
    const client = await scriptedClient(play(goodEvents()));
    const images = await Promise.all([1, 2, 3, 4].map((seed) => client.generateImage({ prompt: 'x', seed })));
    expect(images.every(({ bytes }) => Buffer.compare(bytes, IMAGE) === 0)).toBe(true);
  });
});

describe('a call that fails', () => {
  it('says code, reason, every violation and the wish for a pause', async () => {
    const client = await scriptedClient((call) => {
      call.emit('error', detailedError(status.INVALID_ARGUMENT, 'prompt: is wrong'));
    });
    const error: unknown = await client.generateImage({ prompt: '' }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GenerateImageError);
    expect(error).toMatchObject({
      code: 3,
      codeName: 'INVALID_ARGUMENT',
      message: 'prompt: is wrong',
      reason: 'PROMPT_REQUIRED',
      violations: [
        { field: 'prompt', reason: 'PROMPT_REQUIRED', description: 'prompt is wrong' },
        { field: 'steps', reason: 'STEPS_OUT_OF_RANGE', description: 'steps is wrong' },
      ],
      retryAfterMs: 1500,
    });
  });

  it('fails with the status also in the middle of the payload', async () => {
    const client = await scriptedClient((call) => {
      send(call, ...goodEvents().slice(0, 4));
      call.emit('error', detailedError(status.INTERNAL, 'engine broke'));
    });
    await expect(client.generateImage({ prompt: 'x' })).rejects.toMatchObject({ codeName: 'INTERNAL' });
  });

  it('stands without details when the trailer cannot be read', async () => {
    const client = await scriptedClient((call) => {
      const error = detailedError(status.INTERNAL, 'engine broke') as Error & {
        metadata: { set(key: string, value: Buffer): void };
      };
      error.metadata.set('grpc-status-details-bin', Buffer.from([0xff, 0xff, 0xff]));
      call.emit('error', error);
    });
    await expect(client.generateImage({ prompt: 'x' })).rejects.toMatchObject({
      codeName: 'INTERNAL',
      violations: [],
    });
  });

  it('is DEADLINE_EXCEEDED when the deadline passes', async () => {
    const client = await scriptedClient((call) => send(call, acceptedEvent()));
    await expect(client.generateImage({ prompt: 'x' }, { deadlineMs: 100 })).rejects.toMatchObject({
      codeName: 'DEADLINE_EXCEEDED',
    });
  });

  it('is UNAVAILABLE when nobody listens', async () => {
    const server = await startScriptedServer(() => {});
    server.stop();
    const client = clientOf({ target: server.target });
    await expect(client.generateImage({ prompt: 'x' })).rejects.toMatchObject({ codeName: 'UNAVAILABLE' });
  });
});

describe('cancelling', () => {
  it('rejects with the reason, stops the server and leaves no listener', async () => {
    const ended: Promise<unknown>[] = [];
    const client = await scriptedClient((call) => {
      ended.push(once(call, 'cancelled'));
      send(call, acceptedEvent());
    });
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    const call = client.generateImage(
      { prompt: 'x' },
      { signal: controller.signal, onAccepted: () => controller.abort(reason) },
    );
    await expect(call).rejects.toBe(reason);
    await Promise.all(ended);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('leaves no listener on the signal of a good call', async () => {
    const client = await scriptedClient(play(goodEvents()));
    const { signal } = new AbortController();
    await client.generateImage({ prompt: 'x' }, { signal });
    await client.getCapabilities({ signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('does not start a call whose signal is aborted already', async () => {
    let calls = 0;
    const client = await scriptedClient(() => {
      calls += 1;
    });
    const reason = new Error('too late');
    await expect(client.generateImage({ prompt: 'x' }, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    expect(calls).toBe(0);
  });

  it('ends the call when a listener throws', async () => {
    const client = await scriptedClient(play(goodEvents()));
    const broken = new Error('broken listener');
    const onProgress = (): void => {
      throw broken;
    };
    await expect(client.generateImage({ prompt: 'x' }, { onProgress })).rejects.toBe(broken);
  });
});

describe('getCapabilities', () => {
  it('gives what the server reports', async () => {
    const client = await scriptedClient(() => {});
    expect(await client.getCapabilities()).toEqual(CAPABILITIES);
  });
});
