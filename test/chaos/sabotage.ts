/** Breaks the archive on purpose: a check that does not notice is no check. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { blobSubject, STREAM_EVENTS } from '../../proto/archive-event.ts';
import { BUCKET, type ChaosStack } from './chaos-stack.ts';
import { readLedger } from './ledger.ts';

export const SABOTAGES = ['drop-event', 'corrupt-object', 'orphan-chunk'] as const;
export type Sabotage = (typeof SABOTAGES)[number];

/** To be called while callers still call: takes an event out of the queue that a caller was told is QUEUED. */
export async function dropEvent({ s3, observer, ledgerFile }: ChaosStack): Promise<void> {
  const manager = await observer.jetstreamManager();
  // With the bucket away the queue fills.
  await s3.pause();
  for (;;) {
    await delay(200);
    const told = readLedger(ledgerFile).flatMap((line) =>
      line.line === 'answered' && line.state === 'queued' ? [line.imageHash] : [],
    );
    const { state } = await manager.streams.info(STREAM_EVENTS, { subjects_filter: '>' });
    const queued = new Set(Object.keys(state.subjects ?? {}).map((subject) => subject.split('.').at(-1)));
    const victim = told.toReversed().find((hash) => queued.has(hash));
    if (victim === undefined) continue;
    const subject = `sekai.archive.event.${victim}`;
    await manager.streams.purge(STREAM_EVENTS, { filter: subject });
    return s3.resume();
  }
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
