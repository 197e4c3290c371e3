/** The system's main job, seen from outside: ask for an image, save it, wait for its pair, verify the pair. */
import { setTimeout as delay } from 'node:timers/promises';
import { pairKeys } from '../../proto/archive-event.ts';
import { formatSummary, summarise } from '../../services/client/generation-summary.ts';
import {
  createImageGenerationClient,
  type ImageRequestFields,
} from '../../services/client/image-generation-client.ts';
import { createProgressDisplay } from '../../services/client/progress-display.ts';
import { saveImage } from '../../services/client/save-image.ts';
import { openArchive } from '../../sidecar/cli/open-archive.ts';
import { type CheckedPair, verifyBucket, verifyPair } from '../../sidecar/cli/verify-pair.ts';
import { formatVerification, overallVerdict } from '../../sidecar/cli/verify-report.ts';
import type { S3ObjectStore } from '../../sidecar/s3/s3-object-store.ts';

export interface RoundTripOptions {
  readonly target: string;
  readonly request: ImageRequestFields;
  /** File for the caller's image. */
  readonly out: string;
  /** How to reach the bucket; undefined when archiving is off. */
  readonly archiveEnvironment: Readonly<Record<string, string | undefined>> | undefined;
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

/** Longest wait for the pair after the call, ms. */
const PAIR_DEADLINE_MS = 60_000;
const CALL_DEADLINE_MS = 120_000;

/** The pair did not arrive, or is not good. */
export class RoundTripError extends Error {
  override readonly name = 'RoundTripError';
}

/**
 * Does the round trip and prints what comes of it.
 * @returns the image hash; undefined when archiving is off.
 * @throws {GenerateImageError} {RoundTripError}
 */
export async function roundTrip(options: RoundTripOptions): Promise<string | undefined> {
  const { target, request, out, archiveEnvironment, signal, print } = options;
  const client = createImageGenerationClient({ target });
  const display = createProgressDisplay(process.stderr);
  const started = performance.now();
  try {
    const image = await client.generateImage(request, {
      signal,
      deadlineMs: CALL_DEADLINE_MS,
      onAccepted: display.onAccepted,
      onProgress: display.onProgress,
    });
    display.stop();
    await saveImage(out, image.bytes);
    const answered = performance.now();
    const summary = summarise(image, { path: out, sizeBytes: image.bytes.length }, answered - started);
    print(formatSummary(summary));
    if (summary.archive.state === 'disabled') return undefined;
    if (summary.archive.state === 'failed')
      throw new RoundTripError('the service could not hand the image over');
    const { image_hash: hash } = summary;
    await verifyArrival(hash, archiveEnvironment ?? {}, signal, print);
    print(`archived after ${Math.round(performance.now() - answered)} ms more, verification included\n`);
    return hash;
  } finally {
    display.stop();
    client.close();
  }
}

async function verifyArrival(
  hash: string,
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<void> {
  const { config, store } = openArchive({ environment, nowMs: Date.now });
  try {
    await waitForRecord(store, pairKeys(config.prefix, hash).record, signal);
    const pair: CheckedPair = await verifyPair(store.reader, config.prefix, hash, signal);
    const bucketFindings = await verifyBucket(store.reader, signal);
    const verification = { bucket: config.bucket, bucketFindings, pairs: [pair] };
    print(formatVerification(verification));
    if (overallVerdict(verification) !== 'good') throw new RoundTripError('the archived pair is not good');
  } finally {
    await store.close();
  }
}

/** The record is stored last: where it is, the image is. */
async function waitForRecord(store: S3ObjectStore, key: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + PAIR_DEADLINE_MS;
  while ((await store.exists(key, signal)) !== 'present') {
    if (Date.now() > deadline) {
      throw new RoundTripError(
        `${key} did not arrive within ${PAIR_DEADLINE_MS / 1000} s; look at the archiver's log`,
      );
    }
    await delay(50, undefined, { signal });
  }
}
