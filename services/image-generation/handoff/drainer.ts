/** The one way from the spool to the broker: oldest first, from memory while the budget allows, else from the file. */
import { backoffDelayMs } from '../../runtime/backoff.ts';
import { type Bell, createBell } from '../../runtime/bell.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Circuit } from './circuit.ts';
import { type HandOffPublisher, PublishError } from './handoff-publisher.ts';
import { DamagedSpoolFileError, type SpooledHandOff } from './spool-file.ts';
import type { Spool, SpoolEntry } from './spool.ts';

export interface Drainer {
  /** Queues a spooled hand-off; `settled` hears how it ended, exactly once. */
  add(entry: SpoolEntry, handOff: SpooledHandOff, settled: Settled): void;
  readonly waiting: number;
  /** Attempts that failed and will be repeated, since the start. */
  readonly failedAttempts: number;
  /** Resolves when everything is published, or after `deadlineMs`. */
  drained(deadlineMs: number): Promise<void>;
  /** Begins nothing any more; returns when nothing is under way. What is left stays in the spool. */
  stop(): Promise<void>;
}

type Settled = (state: 'queued' | 'failed') => void;

export interface DrainerDependencies {
  readonly spool: Spool;
  readonly publisher: HandOffPublisher;
  readonly circuit: Circuit;
  readonly logger: Logger;
  /** Bytes of hand-offs kept in memory for publishing; what does not fit is read back from its file. */
  readonly memoryBytes: number;
  /** A hand-off that the broker has within this time shows that waiting for it is worth while, ms. */
  readonly promptMs: number;
}

/** Hand-offs published at once. Each has one message in flight; two hide the broker's answer time. */
const LANES = 2;
const RETRY = { baseMs: 250, maxMs: 10_000 };

interface Item {
  readonly entry: SpoolEntry;
  /** Undefined when it has to be read from its file. */
  readonly handOff: SpooledHandOff | undefined;
  readonly settled: Settled;
  /** By the clock of `performance`; what an earlier process left is older than anything. */
  readonly addedAtMs: number;
  attempts: number;
}

/** What the lanes have in common. */
interface Lane {
  /** Rings when NATS is there again. */
  readonly connectedBell: Bell;
  readonly stopping: AbortSignal;
  readonly isQueueEmpty: () => boolean;
  failedAttempts: number;
}

/** Starts draining, beginning with what an earlier process left in the spool. */
export function startDrainer(dependencies: DrainerDependencies): Drainer {
  const { spool, publisher, circuit, logger, memoryBytes } = dependencies;
  const queue: Item[] = spool.leftovers.map((entry) => leftover(entry));
  if (queue.length > 0) logger.info({ handOffs: queue.length }, 'replaying the spool');
  const stopping = new AbortController();
  const bell = createBell();
  // Apart from the other bell: what is handed over during an outage must not cut short the pauses between attempts.
  const connectedBell = createBell();
  let bytesInMemory = 0;
  let active = 0;
  const lane: Lane = {
    connectedBell,
    stopping: stopping.signal,
    isQueueEmpty: () => queue.length === 0,
    failedAttempts: 0,
  };
  publisher.onConnectionChange((connected) => {
    if (connected) connectedBell.ring();
    else circuit.open('NATS is disconnected');
  });

  async function drainLane(): Promise<void> {
    while (!stopping.signal.aborted) {
      const item = queue.shift();
      if (item === undefined) {
        await bell.wait(undefined, stopping.signal);
        continue;
      }
      active += 1;
      const outcome = await drainItem(item, dependencies, lane);
      if (outcome === 'later') queue.push(item);
      else if (item.handOff !== undefined) bytesInMemory -= item.entry.bytes;
      active -= 1;
      bell.ring(); // Whoever stops waits for the last item.
    }
  }

  const lanes = Promise.all(Array.from({ length: LANES }, drainLane));
  return {
    add(entry, handOff, settled) {
      const fits = bytesInMemory + entry.bytes <= memoryBytes;
      if (fits) bytesInMemory += entry.bytes;
      const addedAtMs = performance.now();
      queue.push({ entry, handOff: fits ? handOff : undefined, settled, addedAtMs, attempts: 0 });
      bell.ring();
    },
    get waiting() {
      return queue.length + active;
    },
    get failedAttempts() {
      return lane.failedAttempts;
    },
    async drained(deadlineMs) {
      const deadline = AbortSignal.timeout(deadlineMs);
      while (queue.length + active > 0 && !deadline.aborted) await bell.wait(undefined, deadline);
    },
    async stop() {
      stopping.abort();
      await lanes;
    },
  };
}

const leftover = (entry: SpoolEntry): Item => ({
  entry,
  handOff: undefined,
  settled: () => {},
  addedAtMs: Number.NEGATIVE_INFINITY,
  attempts: 0,
});

/**
 * Publishes one hand-off, for as long as it takes. `later`: the next one may have better luck, or we stop.
 * A broker that is away keeps the oldest first; a fault of this hand-off alone must not hold up the others.
 */
async function drainItem(
  item: Item,
  dependencies: DrainerDependencies,
  lane: Lane,
): Promise<'done' | 'later'> {
  const { publisher, circuit, logger } = dependencies;
  const { stopping } = lane;
  const file = item.entry.name;
  while (!stopping.aborted) {
    try {
      const handOff = item.handOff ?? (await dependencies.spool.read(item.entry));
      const startedAtMs = performance.now();
      await publisher.publish(handOff, stopping);
      if (isPrompt(item, startedAtMs, lane.isQueueEmpty(), dependencies.promptMs)) circuit.close();
      await settlePublished(item, dependencies);
      return 'done';
    } catch (error) {
      if (stopping.aborted) return 'later';
      if (error instanceof DamagedSpoolFileError) {
        await settleDamaged(item, dependencies, error);
        return 'done';
      }
      lane.failedAttempts += 1;
      const delayMs = backoffDelayMs(item.attempts++, RETRY);
      const brokerFault = error instanceof PublishError && error.failure !== 'refused';
      if (brokerFault) circuit.open(error.message);
      logger.debug({ file, attempt: item.attempts, err: error }, 'hand-off not published yet');
      await lane.connectedBell.wait(delayMs, stopping);
      if (!brokerFault) return 'later';
    }
  }
  return 'later';
}

/**
 * Whether a caller may expect the broker's answer in time again: this hand-off had it in time, waiting for its turn
 * included; or nobody waits for a turn any more and the publishing itself was quick.
 */
function isPrompt({ addedAtMs }: Item, startedAtMs: number, isLast: boolean, promptMs: number): boolean {
  const now = performance.now();
  return now - addedAtMs <= promptMs || (isLast && now - startedAtMs <= promptMs);
}

async function settlePublished(
  { entry, settled }: Item,
  { spool, logger }: DrainerDependencies,
): Promise<void> {
  // Told before the file goes: the broker's word is what counts, and a file too many is published again.
  settled('queued');
  await spool.remove(entry).catch((error: unknown) => {
    logger.error({ file: entry.name, err: error }, 'published spool file could not be removed');
  });
}

async function settleDamaged(
  { entry, settled }: Item,
  { spool, logger }: DrainerDependencies,
  error: unknown,
): Promise<void> {
  logger.error({ file: entry.name, err: error }, 'damaged hand-off set aside');
  settled('failed');
  await spool.setAside(entry).catch((cause: unknown) => {
    logger.error({ file: entry.name, err: cause }, 'damaged spool file could not be set aside');
  });
}
