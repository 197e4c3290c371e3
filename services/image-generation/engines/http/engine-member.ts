import type { Logger } from '../../../runtime/logger.ts';
import { derivedSignal } from '../../../runtime/derived-signal.ts';
import type { EngineCapabilities, EngineJob } from '../../image-engine.ts';
import { type CachedValue, createCachedValue } from './cached-value.ts';
import { createEngineCircuit, type EngineCircuit } from './engine-circuit.ts';
import type { Balanced } from './engine-balancer.ts';
import { engineError, isConnectionFailure } from './engine-failure.ts';
import { offers } from './merged-capabilities.ts';
import type { RemoteEngine } from './remote-engine.ts';

/** New models and LoRAs are seen after this time at the latest, ms. */
const CAPABILITIES_FRESH_MS = 30_000;
/** A busy engine that does not answer questions is believed to have what it had, for this long, ms. */
const CAPABILITIES_USABLE_MS = 600_000;
const CAPABILITIES_TIMEOUT_MS = 8_000;
/** Between two orders to look at the disk again, ms: names that nobody has must not keep an engine busy. */
const RENEW_EVERY_MS = 5_000;

/** One engine URL with what is known of it. */
export interface EngineMember extends Balanced {
  readonly address: string;
  readonly engine: RemoteEngine;
  readonly circuit: EngineCircuit;
  readonly capabilities: CachedValue<EngineCapabilities>;
  /** Has the engine look at its disk again, not too often. @throws {EngineError} */
  renew(): Promise<void>;
  /** A job runs there from now until the returned function is called. */
  begin(): () => void;
  /** Whether it has what the job names, as far as is known. */
  offers(job: EngineJob): boolean;
  close(): Promise<void>;
}

export interface EngineMemberOptions {
  readonly address: string;
  readonly engine: RemoteEngine;
  readonly capacity: number;
  readonly logger: Logger;
  /** The circuit has opened or closed. */
  readonly onChange: () => void;
}

export function createEngineMember(options: EngineMemberOptions): EngineMember {
  const { address, engine, capacity, logger, onChange } = options;
  const closing = new AbortController();
  const asking = async (ask: AskCapabilities): Promise<EngineCapabilities> => {
    try {
      const answer = await inTime(ask, closing.signal);
      circuit.succeeded();
      return answer;
    } catch (error) {
      if (isConnectionFailure(error)) circuit.failed(error);
      throw error;
    }
  };
  const capabilities = createCachedValue({
    load: () => asking((signal) => engine.capabilities(signal)),
    freshMs: CAPABILITIES_FRESH_MS,
    usableMs: CAPABILITIES_USABLE_MS,
  });
  const circuit = createEngineCircuit({
    probe: (signal) => engine.probe(signal),
    isBusy: () => running > 0,
    onChange(state, reason) {
      // Whatever comes back may have other models.
      if (state === 'closed') capabilities.forget();
      if (state === 'open') logger.warn({ engine: address, err: reason }, 'image engine cannot be used');
      else logger.info({ engine: address }, 'image engine can be used');
      onChange();
    },
  });
  let running = 0;
  let renewedMs = Number.NEGATIVE_INFINITY;
  return {
    address,
    engine,
    circuit,
    capabilities,
    capacity,
    get usable() {
      return circuit.state !== 'open';
    },
    check: () => circuit.check(),
    async renew() {
      if (performance.now() - renewedMs < RENEW_EVERY_MS) return;
      renewedMs = performance.now();
      const renew = engine.renewCapabilities?.bind(engine) ?? engine.capabilities.bind(engine);
      capabilities.set(await asking(renew));
    },
    begin() {
      running += 1;
      return () => void (running -= 1);
    },
    offers: (job) => capabilities.last === undefined || offers(capabilities.last, job),
    async close() {
      closing.abort(engineError('UNAVAILABLE', 'closing'));
      await circuit.close();
      await engine.close();
    },
  };
}

type AskCapabilities = (signal: AbortSignal) => Promise<EngineCapabilities>;

async function inTime(ask: AskCapabilities, closing: AbortSignal): Promise<EngineCapabilities> {
  const reason = (): Error => engineError('TIMEOUT', `no capabilities in ${CAPABILITIES_TIMEOUT_MS} ms`);
  const limited = derivedSignal(closing, { ms: CAPABILITIES_TIMEOUT_MS, reason });
  try {
    return await ask(limited.signal);
  } finally {
    limited.dispose();
  }
}
