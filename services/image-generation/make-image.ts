/** The part of a call before its first byte: the queue, the engine, the encoder, and for response format S3 the bucket. */
import type { ByteLease } from '../runtime/byte-budget.ts';
import { traced } from '../runtime/tracing/tracing.ts';
import { untilAborted } from '../runtime/until-aborted.ts';
import type { Place } from './admission.ts';
import { type StoredOutcome, awaitStoredPair } from './await-stored-pair.ts';
import { ArchiveUnavailableError, EngineError, PreconditionError } from './errors.ts';
import { type Archiving, finishImage, type FinishedImage, type HashedImage } from './finish-image.ts';
import type { CallContext, GenerateImageDependencies } from './generate-image.ts';
import type { EngineEvent } from './image-engine.ts';
import type { ImageRequest } from './image-request.ts';
import type { GenerationFacts } from './input-record.ts';
import { jsonDocument } from './json-document.ts';
import type { Report } from './paced-updates.ts';
import { imagePayload, type Payload } from './payload.ts';

/** Time kept back from the caller's deadline, so that the last message still arrives, ms. */
export const DEADLINE_RESERVE_MS = 50;
/** The same for a caller who has no bytes yet and shall at least learn where the image will be, ms. */
const STORED_RESERVE_MS = 250;

/** An image that was made, with what is left to be told to its caller. */
export interface MadeImage {
  readonly facts: GenerationFacts;
  readonly delivery:
    | {
        readonly kind: 'payload';
        readonly payload: Payload;
        /** Pixels. */
        readonly width: number;
        readonly height: number;
        /** Hex hash of the caller's file when that is a JPEG, else empty. */
        readonly jpegHash: string;
        readonly archiving: FinishedImage['archiving'];
      }
    | { readonly kind: 'stored'; readonly imageHash: string; readonly stored: StoredOutcome };
}

export interface Job {
  readonly request: ImageRequest;
  readonly call: CallContext;
  readonly place: Place;
  /** Since `accepted`. */
  readonly elapsedMs: () => number;
  /** Takes over a lease, which ends with the call. */
  readonly keep: (lease: ByteLease) => void;
}

/** Does the job, reporting on the way. `signal` ends it while there is no image, and its waits afterwards. */
export async function makeImage(
  job: Job,
  report: Report,
  signal: AbortSignal,
  dependencies: GenerateImageDependencies,
): Promise<MadeImage> {
  const { request, place, call, elapsedMs } = job;
  const queued = (queuePosition: number): void =>
    report({ type: 'progress', stage: 'queued', queuePosition, elapsedMs: elapsedMs() });
  if (place.position > 0) queued(place.position);
  await traced(call.span, 'wait for a place', {}, () => place.admitted(signal, queued));
  const { finished, facts } = await generate(job, report, signal, dependencies);
  report({ type: 'progress', stage: 'encoding', fraction: 1, elapsedMs: elapsedMs() });
  if (request.responseFormat === 's3') {
    place.release();
    return { facts, delivery: await waitForBucket(job, finished.archiving, report, signal, dependencies) };
  }
  // Callers that read slowly hold their images in memory. When those fill the budget, the engine waits here.
  const lease = await dependencies.deliveries.acquire(pixelBytes(request), signal);
  job.keep(lease);
  place.release(); // The engine is free; encoding and streaming are the caller's own time.
  const file = await untilAborted(finished.file, signal);
  lease.shrinkTo(file.bytes.length);
  const { width, height } = file;
  const jpegHash = request.format === 'jpeg' ? Buffer.from(file.sha256).toString('hex') : '';
  const payload =
    request.responseFormat === 'json'
      ? await document(file, jpegHash, finished.archiving, job, facts, signal)
      : imagePayload(file);
  const { archiving } = finished;
  return { facts, delivery: { kind: 'payload', payload, width, height, jpegHash, archiving } };
}

/** What an encoded file does not exceed, near enough: its pixels, 3 bytes each. */
const pixelBytes = ({ job }: ImageRequest): number => job.width * job.height * 3;

/** From the engine to an image that is being encoded. The engine's pixels are held by nobody else. */
async function generate(
  { request, call, elapsedMs }: Job,
  report: Report,
  signal: AbortSignal,
  dependencies: GenerateImageDependencies,
): Promise<{ finished: FinishedImage; facts: GenerationFacts }> {
  signal.throwIfAborted();
  const queueMs = elapsedMs();
  const { width, height, model, steps } = request.job;
  const attributes = {
    'sekai.engine': dependencies.engine.name,
    'gen_ai.request.model': model,
    'sekai.image.width': width,
    'sekai.image.height': height,
    'sekai.steps': steps,
  };
  const made = await traced(call.span, 'generate', { attributes }, () =>
    runEngine(request, report, signal, elapsedMs, dependencies),
  );
  const facts: GenerationFacts = {
    engine: dependencies.engine.name,
    seed: made.seed,
    ...(made.used === undefined ? {} : { used: made.used }),
    generatedAt: new Date(),
    queueMs,
    generationMs: elapsedMs() - queueMs,
    warnings: [...request.warnings, ...made.warnings],
  };
  return { finished: finishImage(made.image, request, facts, call.span, dependencies), facts };
}

async function runEngine(
  request: ImageRequest,
  report: Report,
  signal: AbortSignal,
  elapsedMs: () => number,
  { engine }: GenerateImageDependencies,
): Promise<Extract<EngineEvent, { type: 'image' }>> {
  for await (const event of engine.generate(request.job, signal)) {
    if (event.type === 'image') return event;
    if (event.type === 'progress') report({ ...event, elapsedMs: elapsedMs() });
    else if (request.job.includePreviews) report(event);
  }
  throw new EngineError('BAD_RESPONSE', 'the engine ended without an image');
}

/** The document names the archived JPEG, so it waits for its hash: a JPEG is encoded sooner than a PNG or WebP. */
async function document(
  file: HashedImage,
  jpegHash: string,
  archiving: FinishedImage['archiving'],
  { request }: Job,
  facts: GenerationFacts,
  signal: AbortSignal,
): Promise<Payload> {
  const archived = await untilAborted(Promise.resolve(archiving), signal);
  return untilAborted(jsonDocument(file, request, facts, archived?.imageHash ?? jpegHash), signal);
}

async function waitForBucket(
  { request, call, elapsedMs }: Job,
  archiving: Promise<Archiving | null> | undefined,
  report: Report,
  signal: AbortSignal,
  { archive, storedPairs, logger }: GenerateImageDependencies,
): Promise<MadeImage['delivery']> {
  if (archive === undefined || storedPairs === undefined) throw archiveDisabled();
  const begun = await untilAborted(Promise.resolve(archiving), signal);
  if (!begun) throw new ArchiveUnavailableError();
  report({ type: 'progress', stage: 'archiving', fraction: 1, elapsedMs: elapsedMs() });
  const waitMs = Math.max(0, call.deadline - Date.now() - STORED_RESERVE_MS);
  const dependencies = { archive, storedPairs, logger };
  const stored = await awaitStoredPair(begun, request.job.requestId, waitMs, signal, dependencies);
  return { kind: 'stored', imageHash: begun.imageHash, stored };
}

/** Response format S3 cannot be had. */
export const archiveDisabled = (): PreconditionError =>
  new PreconditionError(
    'ARCHIVE_DISABLED',
    'response format S3 needs the archive, which is switched off here',
  );
