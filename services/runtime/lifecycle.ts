import { ConfigError, EXIT_CODE_CONFIG } from './environment.ts';

/** A running process: `stop` finishes the work in hand within its own deadline; it may be called once. */
export interface Running {
  /** Resolves with the reason when the process cannot go on. Never rejects. */
  readonly failed?: Promise<Error>;
  /** Longest time `stop` may take before the process exits all the same, ms. Default: `LifecycleOptions`. */
  readonly stopDeadlineMs?: number;
  stop(): Promise<void>;
}

export interface LifecycleOptions {
  /** For a process that does not say itself how long its stop may take, ms. Defaults to 30 s. */
  readonly stopDeadlineMs?: number;
  /** Where the reason of a failure goes. Defaults to standard error. */
  readonly report?: (error: unknown) => void;
}

/**
 * Runs a process until SIGTERM or SIGINT: the first signal stops softly, a second one exits at once.
 * Sets the exit code: 0 after a soft stop, 78 for a faulty configuration, 1 for any other failure.
 */
export async function runUntilSignal(
  start: () => Promise<Running>,
  options: LifecycleOptions = {},
): Promise<void> {
  const report = options.report ?? ((error) => process.stderr.write(`${describe(error)}\n`));
  try {
    // The handlers stand before the start, so that a signal during a slow start is not lost.
    const signalled = firstSignal();
    const running = await start();
    const failure = await Promise.race([signalled, running.failed ?? new Promise<never>(() => {})]);
    if (failure !== undefined) {
      report(failure);
      process.exitCode = 1;
    }
    const stopDeadlineMs = running.stopDeadlineMs ?? options.stopDeadlineMs ?? STOP_DEADLINE_MS;
    const deadline = setTimeout(() => {
      report(new Error(`not stopped within ${stopDeadlineMs} ms`));
      process.exit(1);
    }, stopDeadlineMs);
    await running.stop();
    clearTimeout(deadline);
    // A socket that a library has lost track of must not keep a stopped process alive.
    setTimeout(() => process.exit(), LEFT_OPEN_MS).unref();
  } catch (error) {
    report(error);
    process.exitCode = error instanceof ConfigError ? EXIT_CODE_CONFIG : 1;
  }
}

/** As Kubernetes' default grace period. */
const STOP_DEADLINE_MS = 30_000;
/** Time for what is still open after a stop to end by itself, ms. */
const LEFT_OPEN_MS = 500;

function firstSignal(): Promise<undefined> {
  return new Promise((resolve) => {
    let seen = false;
    const onSignal = (): void => {
      if (seen) process.exit(1);
      seen = true;
      resolve(undefined);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

function describe(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
