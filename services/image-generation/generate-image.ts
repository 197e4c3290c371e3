/** THE USE CASE: one checked request becomes the stream of events that the contract promises. */
import type { ByteBudget, ByteLease } from '../runtime/byte-budget.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Span } from '../runtime/tracing/tracing.ts';
import type { Admission, Place } from './admission.ts';
import type { Archive } from './archive.ts';
import { archiveOutcome } from './archive-outcome.ts';
import { RequestInProgressError } from './errors.ts';
import type { FinishImageDependencies } from './finish-image.ts';
import type { ArchiveOutcome, GenerationEvent, ProgressEvent } from './generation-event.ts';
import type { ImageEncoder } from './image-encoder.ts';
import type { GenerationWarning, ImageEngine } from './image-engine.ts';
import type { ImageRequest } from './image-request.ts';
import { archiveDisabled, DEADLINE_RESERVE_MS, type Job, type MadeImage, makeImage } from './make-image.ts';
import { pacedUpdates } from './paced-updates.ts';
import type { StoredPairs } from './stored-pairs.ts';
import type { PaceOptions } from './update-desk.ts';

export interface GenerateImageDependencies extends Pick<FinishImageDependencies, 'onArchiving'> {
  readonly engine: ImageEngine;
  readonly encoder: ImageEncoder;
  readonly admission: Admission;
  /** Undefined when archiving is switched off. */
  readonly archive: Archive | undefined;
  /** Undefined when archiving is switched off. */
  readonly storedPairs: StoredPairs | undefined;
  readonly logger: Logger;
  /** Longest wait of a result for its hand-off, ms. */
  readonly handoffDeadlineMs: number;
  /** Size of a chunk, bytes. */
  readonly chunkBytes: number;
  /** Bytes of images that are being encoded for, or read by, their callers. */
  readonly deliveries: ByteBudget;
  readonly pace?: PaceOptions;
}

/** The caller's side of a call. */
export interface CallContext {
  /** Aborts on cancel, disconnect and deadline; its reason is what the call ends with. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  /** Who calls: a name of few values, for admission, logs and metrics. */
  readonly caller: string;
  /** The span of the call. */
  readonly span: Span;
}

export type GenerateImage = (
  request: ImageRequest,
  call: CallContext,
) => AsyncGenerator<GenerationEvent, void, undefined>;

/**
 * Builds the use case. The generator it returns stops the engine when it is left early or when the call's
 * signal aborts before the image exists; after that the image is archived whatever the caller does.
 */
export function createGenerateImage(dependencies: GenerateImageDependencies): GenerateImage {
  const inProgress = new Set<string>();
  return async function* generateImage(request, call) {
    const { requestId } = request.job;
    if (inProgress.has(requestId)) throw new RequestInProgressError(requestId);
    if (request.responseFormat === 's3' && dependencies.archive === undefined) throw archiveDisabled();
    const place = dependencies.admission.take(call.caller);
    inProgress.add(requestId);
    try {
      yield* runJob(request, call, place, dependencies);
    } finally {
      place.release();
      inProgress.delete(requestId);
    }
  };
}

async function* runJob(
  request: ImageRequest,
  call: CallContext,
  place: Place,
  dependencies: GenerateImageDependencies,
): AsyncGenerator<GenerationEvent, void, undefined> {
  const accepted = performance.now();
  const elapsedMs = (): number => performance.now() - accepted;
  yield { type: 'accepted', request, engine: dependencies.engine.name, acceptTime: new Date() };
  const leases: ByteLease[] = [];
  const job: Job = { request, call, place, elapsedMs, keep: (lease) => leases.push(lease) };
  try {
    const made = yield* pacedUpdates(
      call.signal,
      (report, signal) => makeImage(job, report, signal, dependencies),
      { ...dependencies.pace, quiet: (last) => signOfLife(last, place, elapsedMs()) },
    );
    call.signal.throwIfAborted();
    yield* deliver(made, request, call, dependencies);
  } finally {
    for (const lease of leases) lease.release();
  }
}

/** What is known of a job that has not reported anything for a while. */
function signOfLife(last: ProgressEvent | undefined, place: Place, elapsedMs: number): ProgressEvent {
  const waits = last === undefined || last.stage === 'queued';
  if (!waits) return { ...last, elapsedMs };
  if (place.waiting) return { ...last, type: 'progress', stage: 'queued', elapsedMs };
  // The engine has the job and has not said anything yet.
  return { type: 'progress', stage: 'loading', elapsedMs };
}

async function* deliver(
  { facts, delivery }: MadeImage,
  request: ImageRequest,
  call: CallContext,
  { archive, chunkBytes, handoffDeadlineMs }: GenerateImageDependencies,
): AsyncGenerator<GenerationEvent, void, undefined> {
  const result = (imageHash: string, outcome: ArchiveOutcome, more: readonly GenerationWarning[] = []) =>
    ({
      type: 'result',
      requestId: request.job.requestId,
      imageHash,
      seed: facts.seed,
      archive: outcome,
      warnings: [...facts.warnings, ...more],
      queueMs: facts.queueMs,
      generationMs: facts.generationMs,
    }) as const;
  if (delivery.kind === 'stored') {
    const { imageHash, stored } = delivery;
    yield result(imageHash, stored.outcome, stored.warnings);
    return;
  }
  const { payload, width, height, jpegHash, archiving } = delivery;
  const { mediaType, sizeBytes, sha256 } = payload;
  yield { type: 'header', mediaType, sizeBytes, sha256, width, height };
  for await (const chunk of payload.chunks(chunkBytes)) yield { type: 'chunk', ...chunk };
  // Counted from the last chunk.
  const leftMs = call.deadline - Date.now() - DEADLINE_RESERVE_MS;
  const maxWaitMs = Math.max(0, Math.min(handoffDeadlineMs, leftMs));
  const { imageHash, outcome } = await archiveOutcome(archiving, maxWaitMs, archive);
  yield result(imageHash === '' ? jpegHash : imageHash, outcome);
}
