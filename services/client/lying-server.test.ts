/** A client against a server that breaks the contract: what it says is never taken for an image. */
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { scriptedClient } from '../../test/_support/scripted-client.ts';
import { StreamProtocolError } from './image-generation-client.ts';
import {
  acceptedEvent,
  chunkEvents,
  type Event,
  goodEvents,
  headerEvent,
  IMAGE,
  IMAGE_HASH,
  play,
  progressEvent,
  resultEvent,
  send,
} from './scripted-server.ts';

const withoutOne = (at: number): Event[] => goodEvents().filter((_, index) => index !== at);
const replaced = (at: number, event: Event): Event[] => goodEvents().with(at, event);

const ofRequest = (requestId: string, event: Event): Event =>
  ({ ...event, value: { ...event.value, requestId } }) as Event;
const shortHash = (event: Event): Event =>
  event.$case === 'header'
    ? { ...event, value: { ...event.value, sha256: event.value.sha256.subarray(0, 16) } }
    : event;

describe('a stream that breaks the contract', () => {
  const other = Buffer.alloc(IMAGE.length, 'other bytes');
  const cases: [string, Event[], RegExp][] = [
    ['has no events', [], /without any event/],
    ['starts with progress', withoutOne(0), /progress before accepted/],
    ['accepts twice', [acceptedEvent(), ...goodEvents()], /accepted came twice/],
    ['has chunks before the header', withoutOne(2), /chunk before header/],
    ['has two headers', [...goodEvents().slice(0, 3), headerEvent(IMAGE)], /header came twice/],
    [
      'has progress after the header',
      [...goodEvents().slice(0, 3), progressEvent()],
      /progress after header/,
    ],
    ['skips a chunk', withoutOne(4), /chunk at offset 131072, expected 65536/],
    [
      'swaps chunks',
      [...goodEvents().slice(0, 3), ...chunkEvents(IMAGE).toReversed()],
      /offset 131072, expected 0/,
    ],
    ['ends before the last chunk', withoutOne(5), /131072 bytes came, the header announced 150000/],
    ['sends too much', replaced(2, headerEvent(IMAGE.subarray(0, 9))), /more than the 9 bytes/],
    ['sends other bytes', replaced(2, headerEvent(other)), /SHA-256 .* the header announced/],
    ['names another hash', replaced(6, resultEvent('ab')), /image_hash is ab/],
    ['has no result', withoutOne(6), /without a result/],
    [
      'has the result before the chunks',
      [...goodEvents().slice(0, 3), resultEvent(IMAGE_HASH), ...chunkEvents(IMAGE)],
      /0 bytes came, the header announced 150000/,
    ],
    ['has the chunks before `accepted`', withoutOne(0).slice(1), /header before accepted/],
    ['has chunks after the result', [...goodEvents(), ...chunkEvents(IMAGE)], /chunk after result/],
    ['has two results', [...goodEvents(), resultEvent(IMAGE_HASH)], /result after result/],
    ['repeats a chunk', goodEvents().toSpliced(4, 0, goodEvents()[3] as Event), /offset 0, expected 65536/],
    [
      'has a hole in its offsets',
      replaced(4, { $case: 'chunk', value: { offset: 65_537n, data: IMAGE.subarray(65_536, 131_072) } }),
      /offset 65537, expected 65536/,
    ],
    [
      'has an empty chunk',
      replaced(3, { $case: 'chunk', value: { offset: 0n, data: Buffer.alloc(0) } }),
      /empty chunk at offset 0/,
    ],
    ['has a byte too much', replaced(2, headerEvent(IMAGE.subarray(1))), /more than the 149999 bytes/],
    ['has a byte too few', goodEvents(IMAGE.subarray(1)).with(2, headerEvent(IMAGE)), /149999 bytes came/],
    ['announces nothing', replaced(2, headerEvent(Buffer.alloc(0))), /announces an empty payload/],
    ['announces half a hash', replaced(2, shortHash(headerEvent(IMAGE))), /SHA-256 of 16 bytes/],
    [
      'accepts another request',
      [ofRequest('somebody-else', acceptedEvent())],
      /accepted is of request somebody-else, this call is [0-9a-f-]{36}/,
    ],
    [
      'ends with the result of another request',
      replaced(6, ofRequest('somebody-else', resultEvent(IMAGE_HASH))),
      /result is of request somebody-else/,
    ],
    ['has a result alone', [acceptedEvent(), resultEvent(IMAGE_HASH)], /without a header/],
    ['goes on after the result', [...goodEvents(), progressEvent()], /progress after result/],
  ];
  for (const [name, events, message] of cases) {
    it(`is refused when it ${name}`, async () => {
      const client = await scriptedClient(play(events));
      const call = client.generateImage({ prompt: 'x' });
      await expect(call).rejects.toThrow(message);
      await expect(call).rejects.toBeInstanceOf(StreamProtocolError);
    });
  }

  it('is refused before memory is taken when it announces too much', async () => {
    const client = await scriptedClient(play(goodEvents()), { maxPayloadBytes: 100_000 });
    await expect(client.generateImage({ prompt: 'x' })).rejects.toThrow(/150000 bytes.*at most 100000/);
  });

  it('is refused when it announces more than any memory', async () => {
    const header = headerEvent(IMAGE);
    if (header.$case === 'header') header.value.sizeBytes = 2n ** 64n - 1n;
    const client = await scriptedClient(play(replaced(2, header)));
    await expect(client.generateImage({ prompt: 'x' })).rejects.toThrow(
      /announces 18446744073709551615 bytes/,
    );
  });

  const open: [string, Event[]][] = [
    ['after `accepted`', goodEvents().slice(0, 1)],
    ['in the middle of the payload', goodEvents().slice(0, 5)],
    ['after the result', goodEvents()],
  ];
  for (const [when, events] of open) {
    it(`is refused when it falls silent ${when} and never ends`, async () => {
      const ended: Promise<unknown>[] = [];
      const client = await scriptedClient(
        (call) => {
          ended.push(once(call, 'cancelled'));
          send(call, ...events);
        },
        { maxSilenceMs: 50 },
      );
      const call = client.generateImage({ prompt: 'x' });
      await expect(call).rejects.toThrow(/no event and no end for 50 ms/);
      await expect(call).rejects.toBeInstanceOf(StreamProtocolError);
      await Promise.all(ended);
    });
  }

  it('is held to nothing but the deadline while it goes on with progress for ever', async () => {
    const client = await scriptedClient(
      (call) => {
        send(call, acceptedEvent());
        const timer = setInterval(() => send(call, progressEvent()), 10);
        call.once('cancelled', () => clearInterval(timer));
      },
      { maxSilenceMs: 200 },
    );
    let events = 0;
    const onProgress = (): void => void (events += 1);
    await expect(
      client.generateImage({ prompt: 'x' }, { deadlineMs: 500, onProgress }),
    ).rejects.toMatchObject({
      codeName: 'DEADLINE_EXCEEDED',
    });
    expect(events).toBeGreaterThan(5);
  });

  it('is cancelled, so that the server stops', async () => {
    const ended: Promise<unknown>[] = [];
    const client = await scriptedClient((call) => {
      ended.push(once(call, 'cancelled'));
      send(call, progressEvent());
    });
    await expect(client.generateImage({ prompt: 'x' })).rejects.toThrow(StreamProtocolError);
    await Promise.all(ended);
    expect(ended).toHaveLength(1);
  });
});
