import {
  type CheckedArchiveEvent,
  CONSUMER_ARCHIVER,
  decodeArchiveEvent,
  EventFault,
  isCanonicalUuid,
  isImageHash,
  mayBeChunked,
  NewerSchemaError,
  pairKeys,
  STREAM_EVENTS,
} from '../proto/archive-event.ts';
import { type BackoffOptions, backoffDelayMs } from '../services/runtime/backoff.ts';
import type { Logger } from '../services/runtime/logger.ts';
import { untilAborted } from '../services/runtime/until-aborted.ts';
import { type Span, traced, traceFacts, type Tracing } from '../services/runtime/tracing/tracing.ts';
import type { ArchivePair, ArchiveTarget, UploadObserver } from './archive-pair.ts';
import type { ArchiverMetrics, RetryClass } from './archiver-metrics.ts';
import type { Attempts } from './attempts.ts';
import type { TargetVerdict } from './breaker.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { HeldEvent } from './event-source.ts';
import type { ImageChunks } from './image-chunks.ts';
import { TargetFault } from './object-store.ts';
import { createTargetFaultLog, type TargetFaultLog } from './target-fault-log.ts';

export interface SettleEventParts {
  readonly archivePair: ArchivePair;
  readonly chunks: ImageChunks;
  readonly deadLetters: DeadLetters;
  readonly attempts: Attempts;
  readonly target: ArchiveTarget;
  /** Delays between attempts at one event. */
  readonly backoff: BackoffOptions;
  /** How often a held event is reported as being worked on, ms; a third of the consumer's `ack_wait`. */
  readonly heartbeatMs: number;
  readonly log: Logger;
  readonly metrics: ArchiverMetrics;
  readonly tracing: Tracing;
}

/**
 * Works on one held event until it is acknowledged, given back or buried. Never rejects. `turnedAway` is asked when
 * its turn to be uploaded has come: where the target has proved faulty meanwhile, how much later it may try, ms.
 */
export type SettleEvent = (
  held: HeldEvent,
  hardStop: AbortSignal,
  turnedAway?: () => number | undefined,
) => Promise<TargetVerdict>;

/** The target proved faulty while the event waited for its turn. */
class TurnedAwayError extends Error {
  override readonly name = 'TurnedAwayError';
  readonly retryInMs: number;

  constructor(retryInMs: number) {
    super('the target proved faulty before it was asked');
    this.retryInMs = retryInMs;
  }
}

/** A newer archiver is being rolled out, or will be: minutes, not seconds. */
const NEWER_SCHEMA_DELAY_MS = 5 * 60_000;
/**
 * Names a letter whose subject names no image. The subject itself may be a pattern, or so long that a server closes
 * the connection on which a longer one is published.
 */
const NOT_A_HASH = 'not-a-hash';
export function createSettleEvent(parts: SettleEventParts): SettleEvent {
  const warnExistenceUnknown = onceOnly((key: string) =>
    parts.log.warn(
      { key },
      'Internal S3: HEAD is answered 403, so archived pairs are uploaded again: grant s3:ListBucket',
    ),
  );
  const faults = createTargetFaultLog(parts.log);
  return async (held, hardStop, turnedAway = () => undefined) => {
    const heartbeat = setInterval(() => held.working(), parts.heartbeatMs);
    const span = startSpan(parts.tracing, held);
    const work = new EventWork(
      { ...parts, log: parts.log.child(traceFacts(span)) },
      held,
      span,
      hardStop,
      turnedAway,
      warnExistenceUnknown,
      faults,
    );
    try {
      return await work.run();
    } catch (error) {
      return await work.failed(error);
    } finally {
      clearInterval(heartbeat);
      span.end();
    }
  };
}

/** The sender's span is the parent: an event is one message, and has one sender. */
function startSpan(tracing: Tracing, { trace, messageId, payload, sequence }: HeldEvent): Span {
  return tracing.start(`process ${STREAM_EVENTS}`, trace, {
    kind: 'consumer',
    attributes: {
      'messaging.system.name': 'nats',
      'messaging.destination.name': STREAM_EVENTS,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.consumer.group.name': CONSUMER_ARCHIVER,
      'messaging.message.id': messageId,
      'messaging.message.body.size': payload.length,
      'sekai.sequence': sequence,
    },
  });
}

/** The state of one event's handling: what is known of it by the time something fails. */
class EventWork {
  readonly #parts: SettleEventParts;
  readonly #held: HeldEvent;
  readonly #span: Span;
  readonly #hardStop: AbortSignal;
  readonly #turnedAway: () => number | undefined;
  readonly #warnExistenceUnknown: (key: string) => void;
  readonly #faults: TargetFaultLog;
  #event: CheckedArchiveEvent | undefined;
  #key: string;
  #existenceUnknownOf: string | undefined;

  constructor(
    parts: SettleEventParts,
    held: HeldEvent,
    span: Span,
    hardStop: AbortSignal,
    turnedAway: () => number | undefined,
    warnExistenceUnknown: (key: string) => void,
    faults: TargetFaultLog,
  ) {
    this.#parts = parts;
    this.#held = held;
    this.#span = span;
    this.#hardStop = hardStop;
    this.#turnedAway = turnedAway;
    this.#warnExistenceUnknown = warnExistenceUnknown;
    this.#faults = faults;
    this.#key = pairKeys(parts.target.prefix, held.subjectHash).image;
  }

  async run(): Promise<TargetVerdict> {
    const event = this.#decode();
    this.#event = event;
    const { archivePair, attempts, metrics, log } = this.#parts;
    // Work that ignores its signal must not hold up a hard stop.
    const outcome = await untilAborted(
      archivePair(event, this.#observer(event), this.#hardStop, this.#span),
      this.#hardStop,
    );
    await traced(this.#span, 'settle', {}, () => this.#finish(event));
    this.#span.set({ 'sekai.outcome': outcome });
    metrics.archived(outcome, event.createTime);
    attempts.forget(event.imageHash);
    if (outcome === 'uploaded') {
      this.#faults.succeeded();
      // Only now: a wrong secret key makes HEAD answer 403 as well, and no upload would have succeeded.
      if (this.#existenceUnknownOf !== undefined) this.#warnExistenceUnknown(this.#existenceUnknownOf);
      return { target: 'good' };
    }
    const { imageHash: hash, requestId } = event;
    log.info({ hash, requestId }, `Internal S3: Already archived ${hash}`);
    return { target: 'unknown' };
  }

  #decode(): CheckedArchiveEvent {
    const event = decodeArchiveEvent(this.#held.payload);
    if (event.imageHash === this.#held.subjectHash) return event;
    throw new EventFault('INVALID_FIELD', 'image_hash is not the hash in the subject');
  }

  #observer({ imageHash: hash, requestId }: CheckedArchiveEvent): UploadObserver {
    const { log, metrics } = this.#parts;
    return {
      admitted: () => {
        const retryInMs = this.#turnedAway();
        if (retryInMs !== undefined) throw new TurnedAwayError(retryInMs);
      },
      storing: (key) => (this.#key = key),
      stored: (key, bytes, elapsedMs) => {
        metrics.objectStored(bytes, elapsedMs);
        log.info({ key, hash, requestId, bytes, ms: elapsedMs }, `Internal S3: Successfully uploaded ${key}`);
      },
      existenceUnknown: (key) => (this.#existenceUnknownOf = key),
    };
  }

  /**
   * The pair is archived. Chunks go first: an event acknowledged before them could leave them behind. Also those of
   * other hand-offs, which died on the way; a small image has none, and a purge costs the server more than the rest.
   */
  async #finish({ imageHash, imageSizeBytes, image }: CheckedArchiveEvent): Promise<void> {
    const { chunks, log } = this.#parts;
    if (image.kind === 'chunked' || mayBeChunked(imageSizeBytes)) await chunks.purge(imageHash);
    await this.#held.ack();
    if (image.kind === 'inline') return;
    // A publisher of the same image may have written chunks between the purge and the ack, and will find the
    // event queued or the pair archived. What this purge misses is collected by max_age.
    await chunks.purge(imageHash).catch((error: unknown) => {
      log.warn({ err: error, hash: imageHash }, 'Archive: second purge of chunks failed');
    });
  }

  async failed(error: unknown): Promise<TargetVerdict> {
    this.#span.end({ errorType: errorTypeOf(error) });
    if (this.#hardStop.aborted) return this.#handBack('stopping', 0);
    if (error instanceof EventFault) return this.#bury(error);
    if (error instanceof NewerSchemaError) return this.#leaveForNewer(error);
    if (error instanceof TurnedAwayError) return this.#handBack('breaker_open', error.retryInMs);
    const attempt = this.#parts.attempts.count(this.#held.subjectHash);
    const delayMs = backoffDelayMs(attempt - 1, this.#parts.backoff);
    if (error instanceof TargetFault) return this.#targetFault(error, attempt, delayMs);
    this.#parts.log.warn(
      { err: error, ...this.#facts(), attempt, retryInMs: delayMs },
      `Archive: attempt at ${this.#held.subjectHash} failed, it stays queued`,
    );
    return this.#handBack('queue', delayMs);
  }

  #targetFault(fault: TargetFault, attempt: number, delayMs: number): TargetVerdict {
    const { retryAfterMs } = fault;
    const retryInMs = Math.max(delayMs, retryAfterMs ?? 0);
    this.#parts.metrics.targetFaulty(fault.kind);
    this.#faults.failed(fault, { ...this.#facts(), key: this.#key, attempt, retryInMs });
    this.#handBack('target', retryInMs);
    return { target: 'faulty', retryAfterMs };
  }

  #leaveForNewer(error: NewerSchemaError): TargetVerdict {
    this.#parts.log.error(
      { ...this.#facts(), alert: true, retryInMs: NEWER_SCHEMA_DELAY_MS },
      `Archive: ${error.message}; the event stays queued for a newer archiver`,
    );
    return this.#handBack('newer_schema', NEWER_SCHEMA_DELAY_MS);
  }

  async #bury(fault: EventFault): Promise<TargetVerdict> {
    const { deadLetters, attempts, log, metrics } = this.#parts;
    const { subjectHash, payload, sequence } = this.#held;
    const handoffId = this.#event?.handoffId ?? standInId(this.#held);
    const imageHash = isImageHash(subjectHash) ? subjectHash : NOT_A_HASH;
    try {
      await deadLetters.bury({ imageHash, handoffId, payload, fault }, this.#hardStop);
      await this.#held.reject();
    } catch (error) {
      const retryInMs = backoffDelayMs(attempts.count(subjectHash) - 1, this.#parts.backoff);
      log.error(
        { err: error, ...this.#facts(), retryInMs },
        'Archive: dead letter could not be kept, the event stays queued',
      );
      return this.#handBack(this.#hardStop.aborted ? 'stopping' : 'queue', retryInMs);
    }
    metrics.buried(fault.reason);
    attempts.forget(subjectHash);
    log.error(
      { ...this.#facts(), handoffId, sequence, reason: fault.reason },
      `Internal S3: Failed to upload ${this.#key}: dead letter, ${fault.reason}: ${fault.message}`,
    );
    return { target: 'unknown' };
  }

  #handBack(why: RetryClass, delayMs: number): TargetVerdict {
    this.#held.retry(delayMs);
    this.#parts.metrics.retried(why);
    return { target: 'unknown' };
  }

  #facts(): Readonly<Record<string, unknown>> {
    return { hash: this.#held.subjectHash, requestId: this.#event?.requestId };
  }
}

/** A word of few values. */
function errorTypeOf(error: unknown): string {
  if (error instanceof EventFault) return error.reason;
  if (error instanceof TargetFault) return error.kind;
  return error instanceof Error ? error.name : typeof error;
}

const standInId = ({ messageId, sequence }: HeldEvent): string =>
  messageId !== undefined && isCanonicalUuid(messageId) ? messageId : `seq-${sequence}`;

function onceOnly(act: (key: string) => void): (key: string) => void {
  let done = false;
  return (key) => {
    if (!done) act(key);
    done = true;
  };
}
