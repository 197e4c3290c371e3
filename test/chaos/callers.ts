/**
 * The callers, a process of their own: ask at full speed, one image in ten a second time, and write down every
 * answer. Ends after SIGTERM, when the calls under way are over.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ArchiveState } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import {
  createImageGenerationClient,
  type GeneratedImage,
  type ImageGenerationClient,
} from '../../services/client/image-generation-client.ts';
import { sizeOf } from '../_support/sized-image.ts';
import { type LedgerLine, openLedger, type ToldState } from './ledger.ts';
import { seededRandom } from './random.ts';

/** What the parent hands over, as JSON in CHAOS_CALLERS. */
export interface CallersOptions {
  readonly target: string;
  readonly ledgerFile: string;
  readonly seed: number;
  readonly concurrency: number;
  /** Pace in the long run, bytes a second: what keeps the run's images within its disk budget. */
  readonly bytesPerSecond: number;
}

/** So much of the long run's bytes may be asked for at full speed before the pace counts, s. */
const BURST_SECONDS = 5;
const DUPLICATE_SHARE = 0.1;
/** Duplicates repeat one of so many last seeds. */
const REMEMBERED = 50;
const CALL_DEADLINE_MS = 60_000;

const STATES: Readonly<Record<number, ToldState>> = {
  [ArchiveState.ARCHIVE_STATE_DISABLED]: 'disabled',
  [ArchiveState.ARCHIVE_STATE_SPOOLED]: 'spooled',
  [ArchiveState.ARCHIVE_STATE_QUEUED]: 'queued',
  [ArchiveState.ARCHIVE_STATE_STORED]: 'stored',
};

const options = JSON.parse(process.env['CHAOS_CALLERS'] ?? '') as CallersOptions;
const write = openLedger(options.ledgerFile);
const random = seededRandom(options.seed, 'callers');
const startedAt = performance.now();
const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
const recent: number[] = [];
let askedBytes = 0;

await Promise.all(Array.from({ length: options.concurrency }, callUntilStopped));

async function callUntilStopped(): Promise<void> {
  let client = createImageGenerationClient({ target: options.target });
  while (!stopping.signal.aborted) {
    const seed = nextSeed();
    askedBytes += sizeOf(seed);
    if (await callOnce(client, seed)) {
      await pause(Math.max(0, paceMs()));
      continue;
    }
    // A channel that cannot connect waits longer and longer, up to two minutes; a new one does not.
    client.close();
    client = createImageGenerationClient({ target: options.target });
    await pause(100 + random.integer(0, 200));
  }
  client.close();
}

function nextSeed(): number {
  if (recent.length > 0 && random.next() < DUPLICATE_SHARE) return random.pick(recent);
  const seed = random.integer(1, 2 ** 31 - 1);
  recent.push(seed);
  if (recent.length > REMEMBERED) recent.shift();
  return seed;
}

/** How far the callers are ahead of their pace, ms. */
function paceMs(): number {
  const dueAtMs = (askedBytes / options.bytesPerSecond - BURST_SECONDS) * 1_000;
  return dueAtMs - (performance.now() - startedAt);
}

async function pause(ms: number): Promise<void> {
  await delay(ms, undefined, { signal: stopping.signal }).catch(() => {});
}

/** Whether the call ended well. */
async function callOnce(client: ImageGenerationClient, seed: number): Promise<boolean> {
  const requestId = randomUUID();
  write({ line: 'asked', requestId, seed });
  const askedAt = Date.now();
  const started = performance.now();
  const ms = (): number => Math.round((performance.now() - started) * 10) / 10;
  try {
    const image = await client.generateImage(
      { prompt: 'chaos', width: 64, height: 64, steps: 1, seed, requestId },
      { deadlineMs: CALL_DEADLINE_MS },
    );
    write(answered(image, requestId, seed, askedAt, ms()));
    return true;
  } catch (error) {
    write({ line: 'failed', requestId, askedAt, ms: ms(), reason: (error as Error).message });
    return false;
  }
}

function answered(
  { bytes, result }: GeneratedImage,
  requestId: string,
  seed: number,
  askedAt: number,
  ms: number,
): LedgerLine {
  if (bytes.length !== sizeOf(seed)) throw new Error(`image of seed ${seed} has ${bytes.length} bytes`);
  const state = STATES[result.archive?.state ?? 0] ?? 'failed';
  const { imageHash } = result;
  return { line: 'answered', requestId, seed, askedAt, ms, state, imageHash, sizeBytes: bytes.length };
}
