/** The one way from the spool to the broker: oldest first, from memory while the budget allows, else from the file. */
import { backoffDelayMs } from '../../runtime/backoff.ts';
import { type Bell, createBell } from '../../runtime/bell.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Circuit } from './circuit.ts';
import { DamagedHandOffError, type HandOffPublisher } from './handoff-publisher.ts';
import { DamagedSpoolFileError, type SpooledHandOff } from './spool-file.ts';
import type { Spool, SpoolEntry } from './spool.ts';

export interface Drainer {
  /** Queues a spooled hand-off; `settled` hears how it ended, exactly once. */
  add(entry: SpoolEntry, handOff: SpooledHandOff, settled: (state: 'queued' | 'failed') => void): void;
  readonly waiting: number;
  /** Goes on until everything is published, the broker is away, or `deadlineMs` has passed; then stops. */
  stop(deadlineMs: number): Promise<void>;
}

export interface DrainerDependencies {
  readonly spool: Spool;
  readonly publisher: HandOffPublisher;
  readonly circuit: Circuit;
  readonly logger: Logger;
  /** Bytes of hand-offs kept in memory for publishing; what does not fit is read back from its file. */
  readonly memoryBytes: number;
}

/** Hand-offs published at once. Each has one message in flight; two hide the broker's answer time. */
const LANES = 2;
const RETRY = { baseMs: 250, maxMs: 10_000 };

interface Item {
  readonly entry: SpoolEntry;
  /** Undefined when it has to be read from its file. */
  readonly handOff: SpooledHandOff | undefined;
  readonly settled: (state: 'queued' | 'failed') => void;
}

/** Starts draining, beginning with what an earlier process left in the spool. */
export function startDrainer(dependencies: DrainerDependencies): Drainer {
  const { spool, publisher, circuit, logger, memoryBytes } = dependencies;
  const queue: Item[] = spool.leftovers.map((entry) => ({ entry, handOff: undefined, settled: () => {} }));
  if (queue.length > 0) logger.info({ handOffs: queue.length }, 'replaying the spool');
  const stopping = new AbortController();
  const bell = createBell();
  let bytesInMemory = 0;
  let active = 0;
  publisher.onConnectionChange((connected) => {
    if (connected) bell.ring();
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
      await drainItem(item, dependencies, bell, stopping.signal);
      if (item.handOff !== undefined) bytesInMemory -= item.entry.bytes;
      active -= 1;
      bell.ring(); // Whoever stops waits for the last item.
    }
  }

  const lanes = Promise.all(Array.from({ length: LANES }, drainLane));
  return {
    add(entry, handOff, settled) {
      const fits = bytesInMemory + entry.bytes <= memoryBytes;
      if (fits) bytesInMemory += entry.bytes;
      queue.push({ entry, handOff: fits ? handOff : undefined, settled });
      bell.ring();
    },
    get waiting() {
      return queue.length + active;
    },
    async stop(deadlineMs) {
      const deadline = AbortSignal.timeout(deadlineMs);
      while (queue.length + active > 0 && !circuit.isOpen && !deadline.aborted) {
        await bell.wait(undefined, deadline);
      }
      stopping.abort();
      await lanes;
    },
  };
}

/** Publishes one hand-off, for as long as it takes or until stopped. */
async function drainItem(
  item: Item,
  { spool, publisher, circuit, logger }: DrainerDependencies,
  bell: Bell,
  stopping: AbortSignal,
): Promise<void> {
  const file = item.entry.name;
  for (let attempt = 0; !stopping.aborted; attempt += 1) {
    try {
      await publisher.publish(item.handOff ?? (await spool.read(item.entry)));
      circuit.close();
      // Told before the file goes: the broker's word is what counts, and a file too many is published again.
      item.settled('queued');
      await spool.remove(item.entry).catch((error: unknown) => {
        logger.error({ file, err: error }, 'published spool file could not be removed');
      });
      return;
    } catch (error) {
      if (error instanceof DamagedSpoolFileError || error instanceof DamagedHandOffError) {
        logger.error({ file, err: error }, 'damaged hand-off set aside');
        item.settled('failed');
        await spool.setAside(item.entry).catch((cause: unknown) => {
          logger.error({ file, err: cause }, 'damaged spool file could not be set aside');
        });
        return;
      }
      circuit.open(error instanceof Error ? error.message : String(error));
      logger.debug({ file, attempt, err: error }, 'hand-off not published yet');
      await bell.wait(backoffDelayMs(attempt, RETRY), stopping);
    }
  }
}
