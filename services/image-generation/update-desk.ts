/** What of a job's reports is worth sending now. Pure but for its state; bounded whatever the job reports. */
import type { JobUpdate, PreviewEvent, ProgressEvent } from './generation-event.ts';

/** All times ms. */
export interface PaceOptions {
  /** Longest silence. Default 4000: the contract's 5 s, less what a busy machine takes. */
  readonly keepAliveMs?: number;
  /** Shortest time between two updates of one stage. Default 250. */
  readonly progressIntervalMs?: number;
  /** Shortest time between two previews. Default 500. */
  readonly previewIntervalMs?: number;
  /** Previews of one call at most. Default 16. */
  readonly maxPreviews?: number;
  /** Larger previews are left out. Default 64 KiB. */
  readonly maxPreviewBytes?: number;
}

export interface UpdateDesk {
  put(update: JobUpdate): void;
  /** The next update that is due, or undefined. */
  take(now: number): JobUpdate | undefined;
  /** What has to be sent although nothing comes after it; previews of a finished picture do not. */
  takeLast(): JobUpdate | undefined;
  /** A sign of life, when it is time for one. */
  beat(now: number, quiet: (last: ProgressEvent | undefined) => ProgressEvent): ProgressEvent | undefined;
  /** Time until something is due, at most the keep-alive. */
  dueInMs(now: number): number;
}

/** Ends of stages kept for a slow caller; an engine that changes its stage more often loses the oldest. */
const MAX_STAGE_ENDS = 8;

export function createUpdateDesk(options: PaceOptions): UpdateDesk {
  const { keepAliveMs = 4_000, progressIntervalMs = 250 } = options;
  const previews = createPreviewSlot(options);
  const stageEnds: ProgressEvent[] = [];
  let progress: ProgressEvent | undefined;
  let lastSent: ProgressEvent | undefined;
  let progressSentAt = performance.now();
  let fraction: number | undefined;

  function raised(update: ProgressEvent): ProgressEvent {
    if (update.fraction !== undefined) fraction = Math.max(fraction ?? 0, update.fraction);
    return fraction === undefined ? update : { ...update, fraction };
  }

  function putProgress(update: ProgressEvent): void {
    if (progress !== undefined && progress.stage !== update.stage) {
      stageEnds.push(progress);
      if (stageEnds.length > MAX_STAGE_ENDS) stageEnds.shift();
    }
    if (update.stage === 'encoding') previews.empty(); // The picture itself is there.
    progress = raised(update);
  }

  function progressDueAt(update: ProgressEvent): number {
    const atOnce = lastSent?.stage !== update.stage || isLastStep(update);
    return atOnce ? Number.NEGATIVE_INFINITY : progressSentAt + progressIntervalMs;
  }

  function sent(update: ProgressEvent, now: number): ProgressEvent {
    lastSent = update;
    progressSentAt = now;
    return update;
  }

  function takeProgress(now: number, all: boolean): ProgressEvent | undefined {
    const ended = stageEnds.shift();
    if (ended !== undefined) return sent(ended, now);
    if (progress === undefined || (!all && now < progressDueAt(progress))) return undefined;
    const update = progress;
    progress = undefined;
    return sent(update, now);
  }

  return {
    put(update) {
      if (update.type === 'progress') putProgress(update);
      else previews.put(update);
    },
    take: (now) => takeProgress(now, false) ?? previews.take(now),
    takeLast: () => takeProgress(performance.now(), true),
    beat(now, quiet) {
      return now < progressSentAt + keepAliveMs ? undefined : sent(raised(quiet(lastSent)), now);
    },
    dueInMs(now) {
      const due = [progressSentAt + keepAliveMs, previews.dueAt()];
      if (progress !== undefined) due.push(progressDueAt(progress));
      return Math.max(0, Math.min(...due) - now);
    },
  };
}

const isLastStep = ({ step, totalSteps }: ProgressEvent): boolean =>
  step !== undefined && step === totalSteps;

/** Holds the newest preview until it may be sent. */
function createPreviewSlot(options: PaceOptions) {
  const { previewIntervalMs = 500, maxPreviews = 16, maxPreviewBytes = 64 * 1024 } = options;
  let newest: PreviewEvent | undefined;
  let left = maxPreviews;
  let sentAt = Number.NEGATIVE_INFINITY;
  const dueAt = (): number => (newest === undefined ? Number.POSITIVE_INFINITY : sentAt + previewIntervalMs);
  return {
    dueAt,
    put(preview: PreviewEvent): void {
      if (left > 0 && preview.data.length <= maxPreviewBytes) newest = preview;
    },
    empty(): void {
      newest = undefined;
    },
    take(now: number): PreviewEvent | undefined {
      if (now < dueAt()) return undefined;
      const preview = newest;
      newest = undefined;
      sentAt = now;
      left -= 1;
      return preview;
    },
  };
}
