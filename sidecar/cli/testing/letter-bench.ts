/** Dead letters as the archiver buries them, for the tests of the commands. */
import {
  blobSubject,
  type CheckedArchiveEvent,
  encodeArchiveEvent,
  EventFault,
  eventSubject,
  STREAM_BLOBS,
  STREAM_EVENTS,
} from '../../../proto/archive-event.ts';
import {
  type ArchiveBench,
  messageCount,
  openArchiveBench,
  type TestImage,
  testEvent,
} from '../../../test/_support/archive-bench.ts';
import { createJetStreamDeadLetters } from '../../jetstream/jetstream-dead-letters.ts';
import { type Outcome, runCli } from './run-cli.ts';

export const PROMPT = 'a secret prompt';

/** How long NATS remembers the id of an event: two minutes would be long for a test; the rule is the same. */
const DUPLICATE_WINDOW_NS = 1_500_000_000;

export type LetterBench = ReturnType<typeof lettersOn>;

/** Over a nats-server of its own. */
export async function openLetterBench(binary: string): Promise<LetterBench> {
  const bench = await openArchiveBench(binary);
  const { config } = await bench.jsm.streams.info(STREAM_EVENTS);
  await bench.jsm.streams.update(STREAM_EVENTS, { ...config, duplicate_window: DUPLICATE_WINDOW_NS });
  return lettersOn(bench);
}

function lettersOn(bench: ArchiveBench) {
  const run = (...args: string[]): Promise<Outcome> =>
    runCli(['dead-letters', ...args], { NATS_URL: bench.server.url });
  const count = (stream: string): Promise<number> => messageCount(bench.jsm, stream);
  const recordFor = ({ hash }: TestImage): Buffer =>
    Buffer.from(
      JSON.stringify({ schema_version: 1, parameters: { prompt: PROMPT, seed: 7 }, image: { hash } }),
    );

  /** A letter as the archiver buries it, with the event it holds. */
  async function bury(
    image: TestImage,
    more: { readonly chunkBytes?: number; readonly without?: readonly number[] } = {},
  ): Promise<CheckedArchiveEvent> {
    const { chunkBytes, without = [] } = more;
    const event = testEvent(image, {
      inputRecord: recordFor(image),
      ...(chunkBytes === undefined ? {} : { chunkBytes }),
    });
    if (chunkBytes !== undefined) await publishChunks(event, image, chunkBytes, without);
    await buryPayload(image.hash, event.handoffId, encodeArchiveEvent(event));
    return event;
  }

  async function publishChunks(
    { handoffId }: CheckedArchiveEvent,
    { hash, bytes }: TestImage,
    chunkBytes: number,
    without: readonly number[],
  ): Promise<void> {
    const js = bench.connection.jetstream();
    for (let index = 0; index * chunkBytes < bytes.length; index += 1) {
      if (without.includes(index)) continue;
      const chunk = bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes);
      await js.publish(blobSubject(hash, handoffId, index), chunk);
    }
  }

  async function buryPayload(imageHash: string, handoffId: string, payload: Uint8Array): Promise<void> {
    const fault = new EventFault('HASH_MISMATCH', 'image has another SHA-256');
    const letters = createJetStreamDeadLetters(bench.connection, bench.jsm);
    await letters.bury({ imageHash, handoffId, payload, fault }, new AbortController().signal);
    await bench.jsm.streams.purge(STREAM_BLOBS);
  }

  const queuedId = async (hash: string): Promise<string | undefined> => {
    const message = await bench.jsm.streams.getMessage(STREAM_EVENTS, { last_by_subj: eventSubject(hash) });
    return message.header.get('Nats-Msg-Id');
  };
  return { bench, run, count, bury, buryPayload, publishChunks, queuedId };
}
