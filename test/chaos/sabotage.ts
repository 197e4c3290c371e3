/** Breaks the archive on purpose: a check that does not notice is no check. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { blobSubject, eventSubject, STREAM_EVENTS } from '../../proto/archive-event.ts';
import { BUCKET, type ChaosStack } from './chaos-stack.ts';
import { isPromise, readLedger } from './ledger.ts';

export const SABOTAGES = ['drop-event', 'corrupt-object', 'orphan-chunk'] as const;
export type Sabotage = (typeof SABOTAGES)[number];

const DROP_DEADLINE_MS = 30_000;
/** Images up to this size travel in their event: dropping one leaves no chunks to wait for. */
const INLINE_MAX_BYTES = 500_000;

/**
 * To be called while callers still call, whom it stops: takes an event out of the queue that a caller was told is
 * safe. The archiver is away meanwhile, so that it does not hold the event; no caller asks for the image again.
 */
export async function dropEvent(
  { archiver, callers, observer, ledgerFile }: ChaosStack,
  spooled: () => Promise<number>,
): Promise<void> {
  await archiver.kill();
  const manager = await observer.jetstreamManager();
  const victim = async (): Promise<string | undefined> => {
    const told = readLedger(ledgerFile).flatMap((line) =>
      isPromise(line) && line.sizeBytes <= INLINE_MAX_BYTES ? [eventSubject(line.imageHash)] : [],
    );
    const { state } = await manager.streams.info(STREAM_EVENTS, { subjects_filter: '>' });
    return told.toReversed().find((subject) => Object.hasOwn(state.subjects ?? {}, subject));
  };
  const deadline = Date.now() + DROP_DEADLINE_MS;
  while ((await victim()) === undefined) {
    if (Date.now() > deadline) throw new Error('no promised image was found in the queue');
    await delay(200);
  }
  await callers.stop(120_000);
  while ((await spooled()) > 0) await delay(100);
  await manager.streams.purge(STREAM_EVENTS, { filter: (await victim()) ?? '' });
  archiver.start();
}

/** To be called when all is archived. */
export async function corruptObject({ s3 }: ChaosStack): Promise<void> {
  const key = (await s3.objects.keys(BUCKET)).find((each) => each.endsWith('.jpg'));
  if (key === undefined) throw new Error('there is no object to corrupt');
  await s3.objects.corrupt(BUCKET, key);
}

/** To be called when all is archived. */
export async function orphanChunk({ observer }: ChaosStack): Promise<void> {
  await observer.jetstream().publish(blobSubject('0'.repeat(64), randomUUID(), 0), Buffer.alloc(1_000));
}
