/** Several engines of one protocol as one: shared out, watched, asked for what they have. */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { derivedSignal } from '../../../runtime/derived-signal.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { untilAborted } from '../../../runtime/until-aborted.ts';
import { unsupported } from '../../errors.ts';
import type {
  EngineCapabilities,
  EngineEvent,
  EngineHealth,
  EngineJob,
  ImageEngine,
} from '../../image-engine.ts';
import { type Balancer, createBalancer, type Lease } from './engine-balancer.ts';
import { engineError, isConnectionFailure } from './engine-failure.ts';
import { createEngineMember, type EngineMember } from './engine-member.ts';
import { mergedCapabilities } from './merged-capabilities.ts';
import type { RemoteEngine } from './remote-engine.ts';

/** At the end, time for cancelled work to stop at the engines before they are left alone, ms. */
const CLOSE_MS = 2_000;

export interface EngineFleetOptions {
  /** Name of the engine for callers, logs and the archive record. */
  readonly name: string;
  readonly urls: readonly string[];
  /** Jobs at once at each URL. */
  readonly capacity: number;
  /** Longest a job may take at its engine, ms; then it fails with TIMEOUT and its place is given up. */
  readonly timeoutMs: number;
  /** Makes the adapter of one URL. */
  readonly connect: (url: string) => { readonly address: string; readonly engine: RemoteEngine };
  readonly logger: Logger;
}

/** An engine that must be closed. */
export type OwnedEngine = ImageEngine &
  Required<Pick<ImageEngine, 'health' | 'close' | 'capacity' | 'renewCapabilities'>>;

/** Makes one engine of all URLs. Asks them from now on; down ones come back by themselves. */
export function createEngineFleet(options: EngineFleetOptions): OwnedEngine {
  const listeners = new Set<() => void>();
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // One for each running job.
  const working = new Set<Promise<unknown>>();
  const members: EngineMember[] = options.urls.map((url) =>
    createEngineMember({
      ...options.connect(url),
      capacity: options.capacity,
      logger: options.logger,
      onChange() {
        balancer.changed();
        for (const listener of listeners) listener();
      },
    }),
  );
  const balancer = createBalancer(members);
  const fleet: Fleet = { members, balancer, closing: closing.signal, working, timeoutMs: options.timeoutMs };
  return {
    name: options.name,
    capacity: options.urls.length * options.capacity,
    health: fleetHealth(members, listeners),
    capabilities: (signal) => capabilities(members, signal),
    async renewCapabilities(signal) {
      await Promise.allSettled(members.filter(({ usable }) => usable).map((member) => member.renew()));
      return capabilities(members, signal);
    },
    generate: (job, signal) => generate(fleet, job, signal),
    async close() {
      await Promise.race([Promise.allSettled(working), delay(CLOSE_MS, undefined, { ref: false })]);
      closing.abort(engineError('UNAVAILABLE', 'the service is stopping'));
      await Promise.allSettled(working);
      await Promise.all(members.map((member) => member.close()));
    },
  };
}

interface Fleet {
  readonly members: readonly EngineMember[];
  readonly balancer: Balancer<EngineMember>;
  readonly closing: AbortSignal;
  /** What still runs at an engine although its job is over. */
  readonly working: Set<Promise<unknown>>;
  readonly timeoutMs: number;
}

function fleetHealth(members: readonly EngineMember[], listeners: Set<() => void>): EngineHealth {
  return {
    get available() {
      return members.some(({ circuit }) => circuit.state === 'closed');
    },
    get reason() {
      return this.available ? '' : `no image engine answers (${members.length} configured)`;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/**
 * What the engines that answer have. One that is down is asked again only when there is no other.
 * @throws {EngineError} when no engine says what it has.
 */
async function capabilities(
  members: readonly EngineMember[],
  signal: AbortSignal,
): Promise<EngineCapabilities> {
  const usable = members.filter((member) => member.usable);
  const asked = await Promise.allSettled(
    usable.length > 0
      ? usable.map((member) => member.capabilities.get(signal))
      : members.map((member) => capabilitiesOfDown(member, signal)),
  );
  signal.throwIfAborted();
  const [first, ...others] = asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  if (first !== undefined) return mergedCapabilities([first, ...others]);
  const failed = asked.find((answer) => answer.status === 'rejected');
  throw failed?.reason instanceof Error ? failed.reason : engineError('UNAVAILABLE', 'no engine');
}

async function capabilitiesOfDown(member: EngineMember, signal: AbortSignal): Promise<EngineCapabilities> {
  if (!(await member.check())) throw engineError('UNAVAILABLE', `the circuit of ${member.address} is open`);
  return member.capabilities.get(signal);
}

/** Runs the job at one engine, which is asked right before whether it is there: nothing is lost by asking another. */
async function* generate(
  fleet: Fleet,
  job: EngineJob,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent, void, undefined> {
  const candidates = new Set(fleet.members.filter((member) => member.offers(job)));
  if (candidates.size === 0) {
    throw unsupported('no single engine has the model, every LoRA and the sampler of this request');
  }
  while (candidates.size > 0) {
    const lease = await fleet.balancer.acquire((member) => candidates.has(member), signal);
    if (await answers(lease, signal)) return yield* runAt(lease, fleet, job, signal);
    lease.release();
    candidates.delete(lease.member);
  }
  throw engineError('UNAVAILABLE', 'no engine that could do the job answers');
}

/** Whether the engine is there now. A connection kept alive may be that to an engine that was restarted. */
async function answers({ member, release }: Lease<EngineMember>, signal: AbortSignal): Promise<boolean> {
  try {
    const twice = member.check().then((there) => there || member.check());
    return await untilAborted(twice, signal);
  } catch (error) {
    release();
    throw error;
  }
}

async function* runAt(
  lease: Lease<EngineMember>,
  fleet: Fleet,
  job: EngineJob,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent, void, undefined> {
  const { circuit, engine } = lease.member;
  const end = lease.member.begin();
  const lifetime = derivedSignal(fleet.closing, {
    ms: fleet.timeoutMs,
    reason: () => engineError('TIMEOUT', `not done in ${fleet.timeoutMs} ms`),
  });
  const wanted = derivedSignal(signal);
  const onLifetime = (): void => wanted.abort(lifetime.signal.reason as Error);
  lifetime.signal.addEventListener('abort', onLifetime, { once: true });
  const occupied: Promise<unknown>[] = [];
  try {
    const run = {
      signal: wanted.signal,
      lifetime: lifetime.signal,
      occupy: (work: Promise<unknown>) => void occupied.push(work),
    };
    yield* engine.generate(job, run);
    circuit.succeeded();
  } catch (error) {
    if (isConnectionFailure(error) && !fleet.closing.aborted) circuit.failed(error);
    throw error;
  } finally {
    wanted.dispose();
    lifetime.signal.removeEventListener('abort', onLifetime);
    const over = Promise.allSettled(occupied).finally(() => {
      lifetime.dispose();
      end();
      lease.release();
      fleet.working.delete(over);
    });
    fleet.working.add(over);
  }
}
