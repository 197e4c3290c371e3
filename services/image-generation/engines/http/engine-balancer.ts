import { engineError } from './engine-failure.ts';

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
  release(): void;
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
      else if (!anyUsable(waiter.eligible)) waiter.refuse(noneUsable());
    }
  }

  function wait(eligible: (member: M) => boolean, signal: AbortSignal): Promise<Lease<M>> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiters.delete(waiter);
        signal.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter<M> = {
        eligible,
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

  return {
    async acquire(eligible, signal) {
      signal.throwIfAborted();
      if (!anyUsable(eligible)) {
        // The engine may have come back since it was last asked.
        await Promise.all(members.filter(eligible).map((member) => member.check()));
        signal.throwIfAborted();
        if (!anyUsable(eligible)) throw noneUsable();
      }
      return tryTake(eligible) ?? wait(eligible, signal);
    },
    inFlight,
    changed,
  };
}

const noneUsable = () => engineError('UNAVAILABLE', 'every engine that could do the job is down');
