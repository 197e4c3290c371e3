/** Which faults a run suffers, and when: a pure function of the seed. */
import { seededRandom } from './random.ts';

/** The part that suffers. Faults of one part never overlap; those of different parts may. */
export type Part = 'service' | 'archiver' | 'nats' | 'links' | 's3' | 'spool';

const KINDS = {
  service: ['service-kill', 'service-kill', 'service-stop', 'service-pause'],
  archiver: ['archiver-kill', 'archiver-kill', 'archiver-stop', 'archiver-pause', 'archiver-long-pause'],
  nats: ['nats-kill', 'nats-kill', 'nats-restart', 'nats-pause'],
  links: [
    'service-nats-cut',
    'service-nats-slow',
    'service-nats-silent',
    'archiver-nats-cut',
    'archiver-nats-slow',
    'archiver-nats-silent',
    'archiver-s3-cut',
    'archiver-s3-slow',
    'archiver-s3-silent',
  ],
  s3: ['s3-outage', 's3-503', 's3-reset', 's3-stall', 's3-store-then-reset', 's3-credentials'],
  spool: ['spool-full'],
} as const satisfies Record<Part, readonly string[]>;

export type FaultKind = (typeof KINDS)[Part][number];

export interface Fault {
  readonly kind: FaultKind;
  /** Pause after the part's last fault, ms. */
  readonly gapMs: number;
  readonly durationMs: number;
}

export type Schedule = Readonly<Record<Part, readonly Fault[]>>;

export interface ScheduleOptions {
  readonly seed: number;
  /** Default: all. The faults of a part do not depend on which others suffer. */
  readonly only?: readonly Part[];
  /** Time there is for faults, ms. */
  readonly windowMs: number;
  /** Longer than this an archiver must be silent to lose its events to another one, ms. */
  readonly ackWaitMs: number;
}

export const PARTS = Object.keys(KINDS) as Part[];
/** Parts without which there is nothing to lose rest longer between faults. */
const REST: Readonly<Partial<Record<Part, number>>> = { service: 2, spool: 3 };
/** Below this a run is short: faults come closer together, so that every kind still comes. */
const SHORT_WINDOW_MS = 3 * 60_000;

export const ALL_KINDS: readonly FaultKind[] = [...new Set(PARTS.flatMap((part) => [...KINDS[part]]))];

/** Deals the kinds of each part like cards: none comes again before all have come. */
export function planFaults(options: ScheduleOptions): Schedule {
  const plans = PARTS.map(
    (part) => [part, options.only?.includes(part) === false ? [] : planPart(part, options)] as const,
  );
  return Object.fromEntries(plans) as unknown as Schedule;
}

function planPart(part: Part, { seed, windowMs, ackWaitMs }: ScheduleOptions): Fault[] {
  const random = seededRandom(seed, `faults of ${part}`);
  const short = windowMs < SHORT_WINDOW_MS;
  const faults: Fault[] = [];
  let deck: FaultKind[] = [];
  for (let atMs = 0; ; ) {
    if (deck.length === 0) deck = random.shuffle<FaultKind>(KINDS[part]);
    const kind = deck.pop() as FaultKind;
    const gapMs = (short ? random.integer(500, 4_000) : random.integer(3_000, 15_000)) * (REST[part] ?? 1);
    const durationMs = durationOf(kind, short, ackWaitMs, random.next());
    atMs += gapMs + durationMs;
    if (atMs > windowMs) return faults;
    faults.push({ kind, gapMs, durationMs });
  }
}

function durationOf(kind: FaultKind, short: boolean, ackWaitMs: number, share: number): number {
  if (kind === 'archiver-long-pause') return ackWaitMs + 2_000 + Math.round(share * 3_000);
  if (kind.endsWith('-cut')) return 0;
  const longestMs = short ? 4_000 : 12_000;
  return Math.round(200 + share * (longestMs - 200));
}

/** Single faults that the issue names with figures of their own, instead of a mixture. */
export const SCENARIOS = ['nats-away', 's3-away', 'wrong-secret', 'service-kills'] as const;
export type Scenario = (typeof SCENARIOS)[number];

const SERVICE_KILLS = 200;

/** The scenario's only part suffers in the middle of the window: a third of it, or kills all through it. */
export function planScenario(scenario: Scenario, { seed, windowMs }: ScheduleOptions): Schedule {
  const none: Schedule = { service: [], archiver: [], nats: [], links: [], s3: [], spool: [] };
  const third = Math.round(windowMs / 3);
  const once = (kind: FaultKind): Fault[] => [{ kind, gapMs: third, durationMs: third }];
  switch (scenario) {
    case 'nats-away':
      return { ...none, nats: once('nats-kill') };
    case 's3-away':
      return { ...none, s3: once('s3-outage') };
    case 'wrong-secret':
      return { ...none, s3: once('s3-credentials') };
    case 'service-kills': {
      const random = seededRandom(seed, 'service kills');
      const kill = (): Fault => ({ kind: 'service-kill', gapMs: random.integer(300, 2_500), durationMs: 0 });
      return { ...none, service: Array.from({ length: SERVICE_KILLS }, kill) };
    }
  }
}
