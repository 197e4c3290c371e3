/**
 * Notices a consumer that a nats-server before 2.10.25 has broken. After a SIGKILL such a server can put sequences
 * that are gone back into its pending set, trip over them and go to sleep ("stalled": deliverable events, waiting
 * pulls, no delivery), or keep events that belong to nobody ("stranded"). Fixed upstream by a441c8261. Deleting and
 * re-creating the consumer heals both: whatever is still in the work queue is delivered again. Pure.
 */

/** The consumer and its stream as one poll saw them. */
export interface ConsumerSnapshot {
  readonly atMs: number;
  /** Events in the stream. */
  readonly messages: number;
  readonly numPending: number;
  readonly numAckPending: number;
  readonly numWaiting: number;
  readonly maxAckPending: number;
  /** Consumer and stream sequence of the last delivery. */
  readonly delivered: string;
  /** Consumer and stream sequence up to which all is acknowledged. */
  readonly ackFloor: string;
}

export type Ailment = 'stalled' | 'stranded';

export interface WatchdogTimings {
  readonly pollMs: number;
  /** Without any progress for this long while it could deliver, a consumer is stalled. */
  readonly stalledAfterMs: number;
  /** With events that are neither pending nor held for this long, events are stranded. */
  readonly strandedAfterMs: number;
  /** A consumer is rebuilt at most this often, by whichever archiver. */
  readonly rebuildIntervalMs: number;
}

export const WATCHDOG_TIMINGS: WatchdogTimings = {
  pollMs: 10_000,
  stalledAfterMs: 30_000,
  strandedAfterMs: 60_000,
  rebuildIntervalMs: 5 * 60_000,
};

/** What ails the consumer according to `history`, oldest snapshot first. */
export function diagnose(
  history: readonly ConsumerSnapshot[],
  { stalledAfterMs, strandedAfterMs }: WatchdogTimings,
): Ailment | undefined {
  const stuck = (snapshot: ConsumerSnapshot, last: ConsumerSnapshot): boolean =>
    couldDeliver(snapshot) && sameProgress(snapshot, last);
  if (heldFor(history, stalledAfterMs, stuck)) return 'stalled';
  if (heldFor(history, strandedAfterMs, hasUnaccounted)) return 'stranded';
  return undefined;
}

/** Part of `history` that can still matter, with `snapshot` appended. */
export function remember(
  history: readonly ConsumerSnapshot[],
  snapshot: ConsumerSnapshot,
  { stalledAfterMs, strandedAfterMs }: WatchdogTimings,
): ConsumerSnapshot[] {
  const keepMs = 2 * Math.max(stalledAfterMs, strandedAfterMs);
  return [...history.filter(({ atMs }) => snapshot.atMs - atMs <= keepMs), snapshot];
}

/** Servers from 2.10.25 on need no watchdog. Unknown versions are taken for new. */
export function needsWatchdog(serverVersion: string): boolean {
  const match = /^v?(\d+)\.(\d+)\.(\d+)/.exec(serverVersion);
  if (match === null) return false;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map(Number);
  if (major !== 2) return major < 2;
  return minor < 10 || (minor === 10 && patch < 25);
}

// A delayed nak keeps its event in numAckPending, not in numPending: it never looks like a stall.
const couldDeliver = (s: ConsumerSnapshot): boolean =>
  s.numPending > 0 && s.numWaiting > 0 && s.numAckPending < s.maxAckPending;

const sameProgress = (a: ConsumerSnapshot, b: ConsumerSnapshot): boolean =>
  a.delivered === b.delivered && a.ackFloor === b.ackFloor;

const hasUnaccounted = (s: ConsumerSnapshot): boolean => s.messages > s.numPending + s.numAckPending;

/** Whether `test` is true of an unbroken run of snapshots, up to the last one, that spans `durationMs`. */
function heldFor(
  history: readonly ConsumerSnapshot[],
  durationMs: number,
  test: (snapshot: ConsumerSnapshot, last: ConsumerSnapshot) => boolean,
): boolean {
  const last = history.at(-1);
  if (last === undefined) return false;
  for (const snapshot of history.toReversed()) {
    if (!test(snapshot, last)) return false;
    if (last.atMs - snapshot.atMs >= durationMs) return true;
  }
  return false;
}
