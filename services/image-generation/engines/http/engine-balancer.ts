import { setTimeout as delay } from 'node:timers/promises';
import { untilAborted } from '../../../runtime/until-aborted.ts';
import { engineError } from './engine-failure.ts';

/** Longest that a job waits to hear whether an engine that was down is back, ms. */
const CHECK_MS = 1_000;

/** One of several engines, as far as sharing out jobs goes. */
export interface Balanced {
  /** Whether it takes jobs; false while its circuit is open. */
  readonly usable: boolean;
  /** Jobs at once. */
  readonly capacity: number;
  /** Asks it now whether it is there. Never rejects. */
  check(): Promise<boolean>;
}

/** A taken place. `release` is idempotent. */
export interface Lease<M> {
  readonly member: M;
  readonly release: () => void;
}

export interface Balancer<M> {
  /**
   * Takes a place at the usable member with the least jobs, waiting for one when all are taken.
   * @param eligible Members that can do the job; must not be empty of them.
   * @throws {EngineError} UNAVAILABLE at once when no eligible member is usable and none answers.
   * @throws signal.reason when aborted.
   */
  acquire(eligible: (member: M) => boolean, signal: AbortSignal): Promise<Lease<M>>;
  /** Jobs at a member. */
  inFlight(member: M): number;
  /** A member has become usable, or has ceased to be: whoever waits is seen to. */
  changed(): void;
}

interface Waiter<M> {
  readonly eligible: (member: M) => boolean;
  /** Its engines are being asked whether they are back. */
  asking: boolean;
  take(lease: Lease<M>): void;
  refuse(error: Error): void;
}

/** Shares jobs out: least in flight first, whoever waits longest is served first. Admission bounds who waits. */
export function createBalancer<M extends Balanced>(members: readonly M[]): Balancer<M> {
  const jobs = new Map<M, number>(members.map((member) => [member, 0]));
  const waiters = new Set<Waiter<M>>();
  let next = 0; // Where the search among equals begins, so that they take turns.

  const inFlight = (member: M): number => jobs.get(member) ?? 0;

  function tryTake(eligible: (member: M) => boolean): Lease<M> | undefined {
    const inTurn = [...members.slice(next), ...members.slice(0, next)];
    const [best] = inTurn
      .filter((member) => member.usable && inFlight(member) < member.capacity && eligible(member))
      .toSorted((a, b) => inFlight(a) - inFlight(b));
    if (best === undefined) return undefined;
    next = (members.indexOf(best) + 1) % members.length;
    jobs.set(best, inFlight(best) + 1);
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      jobs.set(best, inFlight(best) - 1);
      changed();
    };
    return { member: best, release };
  }

  const anyUsable = (eligible: (member: M) => boolean): boolean =>
    members.some((member) => member.usable && eligible(member));

  function changed(): void {
    for (const waiter of waiters) {
      const lease = tryTake(waiter.eligible);
      if (lease !== undefined) waiter.take(lease);
      else if (!anyUsable(waiter.eligible)) void refuseUnlessBack(waiter);
    }
  }

  /** Asks the engines once more: what opened the circuit may be older than their return. */
  async function anyAnswers(eligible: (member: M) => boolean): Promise<boolean> {
    await Promise.race([
      Promise.all(members.filter(eligible).map((member) => member.check())),
      delay(CHECK_MS, undefined, { ref: false }),
    ]);
    return anyUsable(eligible);
  }

  async function refuseUnlessBack(waiter: Waiter<M>): Promise<void> {
    if (waiter.asking) return;
    waiter.asking = true;
    if (!(await anyAnswers(waiter.eligible))) waiter.refuse(noneUsable());
    waiter.asking = false;
  }

  return {
    async acquire(eligible, signal) {
      signal.throwIfAborted();
      if (!anyUsable(eligible) && !(await untilAborted(anyAnswers(eligible), signal))) throw noneUsable();
      return tryTake(eligible) ?? waitIn(waiters, eligible, signal);
    },
    inFlight,
    changed,
  };
}

/** Waits in line for a lease. */
function waitIn<M>(
  waiters: Set<Waiter<M>>,
  eligible: (member: M) => boolean,
  signal: AbortSignal,
): Promise<Lease<M>> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      waiters.delete(waiter);
      signal.removeEventListener('abort', onAbort);
    };
    const waiter: Waiter<M> = {
      eligible,
      asking: false,
      take(lease) {
        leave();
        resolve(lease);
      },
      refuse(error) {
        leave();
        reject(error);
      },
    };
    const onAbort = (): void => waiter.refuse(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    waiters.add(waiter);
  });
}

const noneUsable = () => engineError('UNAVAILABLE', 'every engine that could do the job is down');
