/** What stands behind every simulator: one job at a time, step by step, held and interrupted on command. */
import type { JobState, SimulatedJob } from './engine-simulator.ts';
import { simulatedPicture } from './simulated-picture.ts';

/** Default time of a step, ms. */
const STEP_MS = 5;

export interface GpuJob extends SimulatedJob {
  /** Id in the engine's protocol. */
  readonly id: string;
  state: JobState;
  /** Steps done. */
  step: number;
}

export interface SimulatedGpu {
  /** Every job that was taken, oldest first. */
  readonly jobs: readonly GpuJob[];
  /** The job that runs now. */
  readonly current: GpuJob | undefined;
  /** Takes a job; it starts when those before it are over. */
  submit(id: string, job: SimulatedJob): SubmittedJob;
  /** Ends the job that runs after its present step, whosever it is. */
  interruptCurrent(): void;
  /** Takes a job that waits out of the queue, or ends the one that runs. */
  interrupt(id: string): boolean;
  hold(): void;
  letGo(): void;
  /** Forgets the queue; what runs is lost. */
  reset(): void;
}

export interface SubmittedJob {
  readonly job: GpuJob;
  /** The picture, also of an interrupted job that had begun; undefined for one that had not. Never for a lost one. */
  readonly picture: Promise<Buffer | undefined>;
}

export interface SimulatedGpuOptions {
  readonly stepMs?: number;
  /** Hears of the start, of every step and of the end of a job. */
  readonly onUpdate?: (job: GpuJob) => void;
}

export function createSimulatedGpu({
  stepMs = STEP_MS,
  onUpdate = () => {},
}: SimulatedGpuOptions = {}): SimulatedGpu {
  const jobs: GpuJob[] = [];
  let queue: { readonly job: GpuJob; readonly finish: (picture: Buffer | undefined) => void }[] = [];
  let current: GpuJob | undefined;
  let generation = 0;
  let gate: Promise<void> | undefined;
  let openGate = (): void => {};

  async function work(): Promise<void> {
    const mine = generation;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { job, finish } = next;
      current = job;
      job.state = 'running';
      onUpdate(job);
      while (job.step < job.steps && job.state === 'running') {
        await new Promise((resolve) => setTimeout(resolve, stepMs));
        await gate;
        if (mine !== generation) return;
        if (job.state === 'running') job.step += 1;
        onUpdate(job);
      }
      const picture = await simulatedPicture(job, { done: job.step / job.steps });
      if (mine !== generation) return;
      if (job.state === 'running') job.state = 'done';
      current = undefined;
      onUpdate(job);
      finish(picture);
    }
  }

  return {
    jobs,
    get current() {
      return current;
    },
    submit(id, wanted) {
      const job: GpuJob = { ...wanted, id, state: 'queued', step: 0 };
      jobs.push(job);
      let finish = (_picture: Buffer | undefined): void => {};
      const picture = new Promise<Buffer | undefined>((resolve) => {
        finish = resolve;
      });
      queue.push({ job, finish });
      if (current === undefined) void work();
      return { job, picture };
    },
    interruptCurrent() {
      if (current !== undefined) current.state = 'interrupted';
    },
    interrupt(id) {
      if (current?.id === id) {
        current.state = 'interrupted';
        return true;
      }
      const waiting = queue.find(({ job }) => job.id === id);
      if (waiting === undefined) return false;
      queue = queue.filter((entry) => entry !== waiting);
      waiting.job.state = 'interrupted';
      waiting.finish(undefined);
      return true;
    },
    hold() {
      gate ??= new Promise((resolve) => {
        openGate = resolve;
      });
    },
    letGo() {
      openGate();
      gate = undefined;
    },
    reset() {
      generation += 1;
      queue = [];
      current = undefined;
      openGate();
      gate = undefined;
    },
  };
}
