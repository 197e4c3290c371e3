/** What a run has come to, for people; and whether it is good. Pure. */
import type { CheckReport } from './check-ledger.ts';
import type { InflictedFault } from './inflict.ts';
import type { LedgerLine } from './ledger.ts';
import type { QueueState } from './queue-state.ts';
import type { Scenario } from './schedule.ts';

export interface RunResult {
  readonly natsVersion: string;
  readonly check: CheckReport;
  readonly ledger: readonly LedgerLine[];
  readonly faults: readonly InflictedFault[];
  readonly left: QueueState;
  readonly crashes: readonly string[];
  readonly uploads: { readonly attempts: number; readonly repeated: number; readonly unanswered: number };
  readonly peaksMib: Readonly<Record<string, number>>;
  readonly consumerRebuilds: number;
  readonly spoolFault: string;
  readonly drainMs: number;
  /** Undefined for the mixture. */
  readonly scenario: Scenario | undefined;
}

/** Every reason why the run is not good, empty when it is. */
export function faultsOf(result: RunResult): string[] {
  const { check, left, crashes, scenario } = result;
  const some = (count: number, what: string): string[] => (count > 0 ? [`${count} ${what}`] : []);
  return [
    ...some(check.lost.length, 'lost'),
    ...some(check.corrupt.length, 'corrupt'),
    ...some(left.chunks, 'orphan chunks'),
    ...some(left.events, 'events never archived'),
    ...some(left.spooled, 'hand-offs never published'),
    ...some(left.dead, 'dead letters'),
    // In the mixture a call may also fail while a service that was killed comes up on a busy machine.
    ...(scenario === undefined ? [] : some(unexplained(result).length, 'calls failed beside the service')),
    ...(check.promised === 0 ? ['no image was promised: the run proves nothing'] : []),
    ...crashes,
  ];
}

/** After a fault its part is given so long to come round before calls count as undisturbed, ms. */
const AFTERMATH_MS = 2_000;

/** Calls that failed although the service itself was left alone. */
function unexplained({ ledger, faults }: RunResult): Extract<LedgerLine, { line: 'failed' }>[] {
  const own = faults.filter(({ part }) => part === 'service');
  return ledger.filter((line) => line.line === 'failed').filter((call) => !during(own)(call));
}

export function formatReport(result: RunResult): string {
  const { check, left, faults, uploads, peaksMib } = result;
  const answered = result.ledger.filter((line) => line.line === 'answered');
  const failed = result.ledger.filter((line) => line.line === 'failed');
  const odd = unexplained(result);
  const kills = faults.filter(({ kind }) => /^(archiver|nats)-(kill|stop|restart)/.test(kind)).length;
  const rows: [string, string][] = [
    ['nats-server', `${result.natsVersion}, consumer rebuilt ${result.consumerRebuilds} times`],
    ['calls', `${answered.length} OK (${countBy(answered, (line) => line.state)}), ${failed.length} failed`],
    [
      '',
      `${odd.length} failed beside any fault of the service (${countBy(odd, ({ reason }) => reason) || 'none'})`,
    ],
    ['images', `${check.promised} promised, ${check.pairs} pairs, ${(check.bytes / 1e6).toFixed(0)} MB`],
    [
      'faults',
      `${faults.length}: ${countBy(faults, (fault) => fault.kind)}; full disk = ${result.spoolFault}`,
    ],
    ['lost', list(check.lost)],
    ['corrupt', list(check.corrupt)],
    ['orphan chunks', String(left.chunks)],
    ['left over', `${left.events} events, ${left.spooled} spooled, ${left.dead} dead letters`],
    ['crashes', list(result.crashes)],
    [
      'uploads',
      `${uploads.attempts} attempts, ${uploads.repeated} objects stored again ` +
        `(${uploads.unanswered} because the bucket did not answer), ${kills} kills and stops`,
    ],
    [
      'peak memory',
      Object.entries(peaksMib)
        .map(([name, mib]) => `${name} ${mib} MiB`)
        .join(', '),
    ],
    ...latencyRows(answered, faults),
    ['drained', `${(result.drainMs / 1000).toFixed(1)} s after the last call`],
  ];
  return rows.map(([name, text]) => `${name.padEnd(14)} ${text}`).join('\n');
}

interface TimedCall {
  readonly askedAt: number;
  readonly ms: number;
}

const during = (some: readonly InflictedFault[]) => (call: TimedCall) =>
  some.some(({ from, to }) => call.askedAt < to + AFTERMATH_MS && call.askedAt + call.ms > from);

function latencyRows(calls: readonly TimedCall[], faults: readonly InflictedFault[]): [string, string][] {
  const own = faults.filter(({ part }) => part === 'service');
  const others = faults.filter(({ part }) => part !== 'service');
  const hurt = calls.filter(during(own));
  const beside = calls.filter((call) => !during(own)(call) && during(others)(call));
  const quiet = calls.filter((call) => !during(faults)(call));
  return [
    ['API p99', `${p99(quiet)} without faults`],
    ['', `${p99(beside)} during faults of NATS, archiver, S3, links, disk`],
    ['', `${p99(hurt)} during faults of the service itself`],
  ];
}

function p99(calls: readonly TimedCall[]): string {
  if (calls.length === 0) return 'no calls';
  const sorted = calls.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(0);
  return `${at(0.99)} ms (p50 ${at(0.5)}, ${calls.length} calls)`;
}

function countBy<T>(items: readonly T[], name: (item: T) => string): string {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(name(item), (counts.get(name(item)) ?? 0) + 1);
  return [...counts]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([key, count]) => `${count} ${key}`)
    .join(', ');
}

const list = (items: readonly string[]): string =>
  items.length === 0
    ? '0'
    : `${items.length}: ${items.slice(0, 10).join('; ')}${items.length > 10 ? ' …' : ''}`;
