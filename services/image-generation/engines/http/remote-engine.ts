/** What one adapter implements: one engine URL, spoken to in its protocol. engine-fleet.ts makes an engine of several. */
import type { EngineCapabilities, EngineEvent, EngineJob } from '../../image-engine.ts';

export interface RemoteEngine {
  /** Whether the engine is there: one cheap question. @throws {EngineError} when it is not. */
  probe(signal: AbortSignal): Promise<void>;
  /** Asks the engine what it has. The fleet caches it. */
  capabilities(signal: AbortSignal): Promise<EngineCapabilities>;
  /** The same after the engine has been told to look at its disk again; absent when there is no such request. */
  renewCapabilities?(signal: AbortSignal): Promise<EngineCapabilities>;
  /**
   * As {@link ImageEngine.generate}, with two more duties: throw `run.signal.reason` as soon as `run.signal`
   * aborts, and hand to `run.occupy` whatever of the engine's work, or of our cancelling it, goes on after that.
   */
  generate(job: EngineJob, run: JobRun): AsyncGenerator<EngineEvent, void, undefined>;
  /** Drops every connection. */
  close(): Promise<void>;
}

/** One job in one place of one engine. */
export interface JobRun {
  /** Aborts when nobody wants the image any more: caller, deadline, time limit, stop of the service. */
  readonly signal: AbortSignal;
  /** Aborts when the engine must be given up: only time limit and stop. For requests that outlive their caller. */
  readonly lifetime: AbortSignal;
  /** The place stays taken until `work` has settled. `work` must end with `lifetime`; its failures are not seen. */
  occupy(work: Promise<unknown>): void;
}
