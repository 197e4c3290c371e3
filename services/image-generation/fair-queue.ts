/** Jobs that wait, in one line per caller, and the order in which the callers take turns. */
export interface FairQueue<J extends object> {
  /** Jobs that wait. */
  readonly size: number;
  waitingOf(caller: string): number;
  add(caller: string, job: J): void;
  /** Takes a waiting job out. */
  remove(caller: string, job: J): void;
  /** Takes out the job whose turn it is; it counts as its caller's running job until `ended`. */
  next(): J | undefined;
  ended(caller: string): void;
  /** The waiting jobs in the order in which they would run if nobody else came. */
  inOrder(): readonly J[];
}

interface Line<J extends object> {
  readonly waiting: Set<J>;
  running: number;
}

/**
 * Equal shares of the running places: the turn is that of the caller with the fewest running jobs, among those
 * of the one who has waited longest for a turn; within a caller first come, first served. So of n callers that
 * wait, one with nothing running is among the next n to run, however much the others ask for and however long
 * their jobs take.
 */
export function createFairQueue<J extends object>(): FairQueue<J> {
  // The order of the map is the order of the turns: whoever begins or ends one goes to its end.
  const lines = new Map<string, Line<J>>();
  let size = 0;

  function lineOf(caller: string): Line<J> {
    let line = lines.get(caller);
    if (line === undefined) {
      line = { waiting: new Set(), running: 0 };
      lines.set(caller, line);
    }
    return line;
  }

  function toTheEnd(caller: string, line: Line<J>): void {
    lines.delete(caller);
    lines.set(caller, line);
  }

  function forgetIfIdle(caller: string, { waiting, running }: Line<J>): void {
    if (waiting.size === 0 && running === 0) lines.delete(caller);
  }

  return {
    get size() {
      return size;
    },
    waitingOf: (caller) => lines.get(caller)?.waiting.size ?? 0,
    add(caller, job) {
      lineOf(caller).waiting.add(job);
      size += 1;
    },
    remove(caller, job) {
      const line = lineOf(caller);
      if (line.waiting.delete(job)) size -= 1;
      forgetIfIdle(caller, line);
    },
    next() {
      const turn = nextTurn(lines);
      if (turn === undefined) return undefined;
      const [caller, line] = turn;
      const [job] = line.waiting;
      if (job === undefined) return undefined;
      line.waiting.delete(job);
      size -= 1;
      line.running += 1;
      toTheEnd(caller, line);
      return job;
    },
    ended(caller) {
      const line = lineOf(caller);
      line.running -= 1;
      toTheEnd(caller, line);
      forgetIfIdle(caller, line);
    },
    inOrder: () => inRounds(lines),
  };
}

/** The caller with the fewest running jobs among those that have one waiting; the first of several. */
function nextTurn<J extends object>(
  lines: ReadonlyMap<string, Line<J>>,
): readonly [string, Line<J>] | undefined {
  let turn: readonly [string, Line<J>] | undefined;
  for (const entry of lines) {
    if (entry[1].waiting.size === 0) continue;
    if (turn === undefined || entry[1].running < turn[1].running) turn = entry;
  }
  return turn;
}

/** A job runs in the round in which its caller has as many running jobs as there are jobs before it. */
function inRounds<J extends object>(lines: ReadonlyMap<string, Line<J>>): J[] {
  const rounds: J[][] = [];
  for (const { waiting, running } of lines.values()) {
    let round = running;
    for (const job of waiting) (rounds[round++] ??= []).push(job);
  }
  return rounds.flat();
}
