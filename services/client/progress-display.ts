/** Shows a person how a generation goes: a bar on a terminal, plain lines elsewhere. */
import { SingleBar } from 'cli-progress';
import {
  type GenerationAccepted,
  type GenerationProgress,
  GenerationStage,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { RetryNotice } from './retry.ts';

/** Where the display goes, such as `process.stderr`. */
export type DisplayStream = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** Fits the listeners of a call. `stop` leaves the terminal as it was and may be called again. */
export interface ProgressDisplay {
  onAccepted(this: void, accepted: GenerationAccepted): void;
  onProgress(this: void, progress: GenerationProgress): void;
  onRetry(this: void, notice: RetryNotice): void;
  stop(): void;
}

/** Shortest time between two plain lines of the same stage, ms. */
const LINE_INTERVAL_MS = 1_000;

const STAGE_WORDS: Readonly<Record<GenerationStage, string>> = {
  [GenerationStage.GENERATION_STAGE_UNSPECIFIED]: 'working',
  [GenerationStage.GENERATION_STAGE_QUEUED]: 'queued',
  [GenerationStage.GENERATION_STAGE_LOADING]: 'loading',
  [GenerationStage.GENERATION_STAGE_SAMPLING]: 'sampling',
  [GenerationStage.GENERATION_STAGE_ENCODING]: 'encoding',
  [GenerationStage.GENERATION_STAGE_ARCHIVING]: 'archiving',
  [GenerationStage.UNRECOGNIZED]: 'working',
};

export function createProgressDisplay(stream: DisplayStream): ProgressDisplay {
  return stream.isTTY === true ? createBar(stream) : createLines(stream);
}

/** Shows nothing. */
export const silentDisplay: ProgressDisplay = {
  onAccepted: () => {},
  onProgress: () => {},
  onRetry: () => {},
  stop: () => {},
};

function createBar(stream: DisplayStream): ProgressDisplay {
  const bar = new SingleBar({
    stream,
    format: '{bar} {percentage} % | {doing}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
    // The owner of the display stops it, also on a signal.
    gracefulExit: false,
  });
  bar.start(100, 0, { doing: 'connecting' });
  return {
    onAccepted: ({ engine, parameters }) =>
      bar.update(0, { doing: `accepted by ${engine}, ${parameters?.model}` }),
    onProgress: (progress) =>
      bar.update(Math.round((progress.fraction ?? 0) * 100), { doing: describe(progress) }),
    onRetry: (notice) => bar.update(0, { doing: describeRetry(notice) }),
    stop: () => bar.stop(),
  };
}

function createLines(stream: DisplayStream): ProgressDisplay {
  let lastStage: GenerationStage | undefined;
  let lastLineAt = 0;
  return {
    onAccepted({ engine, requestId, parameters }) {
      stream.write(
        `accepted by ${engine}: request ${requestId}, ${parameters?.model}, seed ${parameters?.seed}\n`,
      );
    },
    onProgress(progress) {
      const now = performance.now();
      if (progress.stage === lastStage && now - lastLineAt < LINE_INTERVAL_MS) return;
      lastStage = progress.stage;
      lastLineAt = now;
      const percent =
        progress.fraction === undefined
          ? ''
          : `${String(Math.round(progress.fraction * 100)).padStart(3)} %  `;
      stream.write(`${percent}${describe(progress)}\n`);
    },
    onRetry: (notice) => void stream.write(`${describeRetry(notice)}\n`),
    stop() {},
  };
}

function describeRetry({ attempt, maxAttempts, delayMs, error }: RetryNotice): string {
  const seconds = (delayMs / 1000).toFixed(1);
  return `${error.codeName}, attempt ${attempt + 1} of ${maxAttempts} in ${seconds} s`;
}

function describe({ stage, step, totalSteps, queuePosition, eta }: GenerationProgress): string {
  const ahead = queuePosition === undefined ? '' : `, ${queuePosition} ahead`;
  const steps = step === undefined ? '' : ` ${step}${totalSteps === undefined ? '' : `/${totalSteps}`}`;
  const left = eta === undefined ? '' : `, ${eta.seconds} s left`;
  return `${STAGE_WORDS[stage] ?? 'working'}${steps}${ahead}${left}`;
}
