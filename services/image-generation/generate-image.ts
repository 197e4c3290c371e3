/** THE USE CASE: one checked request becomes the stream of events that the contract promises. */
import { pairKeys } from '../../proto/archive-event.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Admission, Place } from './admission.ts';
import type { Archive } from './archive.ts';
import { chunksOf } from './chunks.ts';
import { EngineError, PreconditionError, RequestInProgressError } from './errors.ts';
import { type Archiving, finishImage, type FinishedImage } from './finish-image.ts';
import type { ArchiveOutcome, GenerationEvent } from './generation-event.ts';
import type { ImageEncoder } from './image-encoder.ts';
import type { EngineEvent, ImageEngine } from './image-engine.ts';
import type { GenerationFacts } from './input-record.ts';
import type { ImageRequest } from './image-request.ts';

export interface GenerateImageDependencies {
  /** See {@link finishImage}. */
  readonly onArchiving?: (archiving: Promise<unknown>) => void;
  readonly engine: ImageEngine;
  readonly encoder: ImageEncoder;
  readonly admission: Admission;
  /** Undefined when archiving is switched off. */
  readonly archive: Archive | undefined;
  readonly logger: Logger;
  /** Longest wait of a result for its hand-off, ms. */
  readonly handoffDeadlineMs: number;
  /** Size of a chunk, bytes. */
  readonly chunkBytes: number;
}

/** The caller's side of a call. */
export interface CallContext {
  /** Aborts on cancel, disconnect and deadline; its reason is what the call ends with. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
}

/** Time kept back from the caller's deadline, so that the last message still arrives, ms. */
const DEADLINE_RESERVE_MS = 50;

type ImageEvent = Extract<EngineEvent, { type: 'image' }>;

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
    if (request.responseFormat !== 'binary') {
      throw new PreconditionError('RESPONSE_FORMAT_UNSUPPORTED', 'this version answers with BINARY only');
    }
    const place = dependencies.admission.take();
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
  const acceptTime = new Date();
  const accepted = performance.now();
  const elapsedMs = (): number => performance.now() - accepted;
  yield { type: 'accepted', request, engine: dependencies.engine.name, acceptTime };
  if (place.position > 0) {
    yield { type: 'progress', stage: 'queued', queuePosition: place.position, elapsedMs: elapsedMs() };
  }
  await place.admitted(call.signal);
  call.signal.throwIfAborted();
  const queueMs = elapsedMs();

  const made = yield* runEngine(request, call.signal, elapsedMs, dependencies.engine);
  const facts: GenerationFacts = {
    engine: dependencies.engine.name,
    seed: made.seed,
    generatedAt: new Date(),
    queueMs,
    generationMs: elapsedMs() - queueMs,
    warnings: [...request.warnings, ...made.warnings],
  };
  const finished = finishImage(made.image, request, facts, dependencies);
  place.release(); // The engine is free; encoding and streaming are the caller's own time.
  yield { type: 'progress', stage: 'encoding', fraction: 1, elapsedMs: elapsedMs() };
  yield* deliver(finished, request, facts, call, dependencies);
}

async function* runEngine(
  request: ImageRequest,
  signal: AbortSignal,
  elapsedMs: () => number,
  engine: ImageEngine,
): AsyncGenerator<GenerationEvent, ImageEvent, undefined> {
  for await (const event of engine.generate(request.job, signal)) {
    if (event.type === 'image') return event;
    yield event.type === 'progress' ? { ...event, elapsedMs: elapsedMs() } : event;
  }
  throw new EngineError('BAD_RESPONSE', 'the engine ended without an image');
}

async function* deliver(
  finished: FinishedImage,
  request: ImageRequest,
  facts: GenerationFacts,
  call: CallContext,
  dependencies: GenerateImageDependencies,
): AsyncGenerator<GenerationEvent, void, undefined> {
  const file = await finished.file;
  call.signal.throwIfAborted();
  const { mediaType, width, height, sha256 } = file;
  yield { type: 'header', mediaType, sizeBytes: file.bytes.length, sha256, width, height };
  for (const chunk of chunksOf(file.bytes, dependencies.chunkBytes)) yield { type: 'chunk', ...chunk };

  const maxWaitMs = Math.max(
    0,
    Math.min(dependencies.handoffDeadlineMs, call.deadline - Date.now() - DEADLINE_RESERVE_MS),
  );
  const archived = await archiveOutcome(finished.archiving, maxWaitMs, dependencies.archive);
  const jpegHash = request.format === 'jpeg' ? Buffer.from(sha256).toString('hex') : '';
  yield {
    type: 'result',
    requestId: request.job.requestId,
    imageHash: archived.imageHash === '' ? jpegHash : archived.imageHash,
    seed: facts.seed,
    archive: archived.outcome,
    warnings: facts.warnings,
    queueMs: facts.queueMs,
    generationMs: facts.generationMs,
  };
}

/** How safe the pair is after at most `maxWaitMs`, counted from the last chunk. */
async function archiveOutcome(
  archiving: Promise<Archiving | null> | undefined,
  maxWaitMs: number,
  archive: Archive | undefined,
): Promise<{ imageHash: string; outcome: ArchiveOutcome }> {
  if (archiving === undefined || archive === undefined) {
    return { imageHash: '', outcome: { state: 'disabled', bucket: '', key: '', recordKey: '' } };
  }
  const started = performance.now();
  const begun = await orAfter(archiving, maxWaitMs);
  if (begun === null) {
    return { imageHash: '', outcome: { state: 'failed', bucket: archive.bucket, key: '', recordKey: '' } };
  }
  const keys = pairKeys(archive.prefix, begun.imageHash);
  const state = await begun.handOff.state(Math.max(0, maxWaitMs - (performance.now() - started)));
  return {
    imageHash: begun.imageHash,
    outcome: { state, bucket: archive.bucket, key: keys.image, recordKey: keys.record },
  };
}

async function orAfter<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
