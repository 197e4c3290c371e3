/** Puts the hand-off together: spool, connection, publisher, drainer, archive. */
import type { Logger } from '../../runtime/logger.ts';
import type { Tracing } from '../../runtime/tracing/tracing.ts';
import type { Archive } from '../archive.ts';
import type { ArchiveConfig } from '../config.ts';
import type { StoredPairs } from '../stored-pairs.ts';
import { createCircuit } from './circuit.ts';
import { startDrainer } from './drainer.ts';
import { openJetStreamConnection } from './jetstream-connection.ts';
import { createJetStreamPublisher } from './jetstream-publisher.ts';
import { createJetStreamStoredPairs } from './jetstream-stored-pairs.ts';
import { openSpool } from './spool.ts';
import { createSpoolingArchive } from './spooling-archive.ts';

/** Bytes of hand-offs kept in memory for publishing, and as much again on the way to the disk. */
const MEMORY_BYTES = 64 * 1024 * 1024;

/** Where callers wait less, or not at all, for the broker, this still counts as a prompt answer, ms. */
const PROMPT_FLOOR_MS = 250;

/** The archive with what it owns. */
export interface OpenArchive {
  readonly archive: Archive;
  readonly storedPairs: StoredPairs;
  /** Bytes in the spool. */
  spoolBytes(): number;
  readonly spoolMaxBytes: number;
  spoolFiles(): number;
  /** When the oldest hand-off in the spool was made, milliseconds since the epoch. */
  oldestHandOffMs(): number | undefined;
  /** Hand-offs that are spooled and not yet acknowledged. */
  waiting(): number;
  /** Hand-offs that failed since the start: nothing was promised of their pairs. */
  failures(): number;
  /** Attempts at publishing that failed and were or will be repeated. */
  failedAttempts(): number;
  readonly circuitOpen: boolean;
  readonly connected: boolean;
  /** Hands over what is under way, within `deadlineMs`; the rest stays in the spool for the next start. */
  close(deadlineMs: number): Promise<void>;
}

/**
 * Opens the archive. NATS need not be there. `onSettled` hears how each hand-off ended and after how long, ms.
 * @throws file system errors when the spool directory cannot be used.
 */
export async function openArchive(
  config: ArchiveConfig,
  logger: Logger,
  tracing: Tracing,
  onSettled: (state: 'queued' | 'failed', elapsedMs: number) => void = () => {},
): Promise<OpenArchive> {
  const spool = await openSpool(config.spoolDirectory, config.spoolMaxBytes);
  const circuit = createCircuit((open, reason) => {
    if (open) logger.warn({ reason }, 'hand-off circuit open: images stay in the spool');
    else logger.info('hand-off circuit closed');
  });
  const connection = openJetStreamConnection(config.nats, logger);
  const publisher = createJetStreamPublisher(connection, tracing);
  const drainer = startDrainer({
    spool,
    publisher,
    circuit,
    logger,
    memoryBytes: MEMORY_BYTES,
    promptMs: Math.max(config.handoffDeadlineMs, PROMPT_FLOOR_MS),
  });
  const archive = createSpoolingArchive({
    bucket: config.bucket,
    prefix: config.prefix,
    spool,
    drainer,
    circuit,
    logger,
    handoffDeadlineMs: config.handoffDeadlineMs,
    maxPendingBytes: MEMORY_BYTES,
    onSettled,
  });
  return {
    archive,
    storedPairs: createJetStreamStoredPairs(connection),
    spoolBytes: () => spool.bytes,
    spoolMaxBytes: config.spoolMaxBytes,
    spoolFiles: () => spool.files,
    oldestHandOffMs: () => spool.oldestMs,
    waiting: () => drainer.waiting,
    failures: () => archive.failures,
    failedAttempts: () => drainer.failedAttempts,
    get circuitOpen() {
      return circuit.isOpen;
    },
    get connected() {
      return publisher.connected;
    },
    async close(deadlineMs) {
      await archive.written();
      // Also while NATS is away: it may come back, and the pod's volume may not.
      await drainer.drained(deadlineMs);
      const stopped = drainer.stop();
      // Ends the wait for an acknowledgement that is still out.
      await publisher.close();
      await stopped;
      if (drainer.waiting > 0) logger.warn({ handOffs: drainer.waiting }, 'hand-offs stay in the spool');
    },
  };
}
