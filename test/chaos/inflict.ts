/** Makes the faults of a schedule happen, and writes down when. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Fault as S3Fault } from '../../deploy/dev/local-s3/fault-injection.ts';
import { type ChaosStack, CREDENTIALS } from './chaos-stack.ts';
import type { Fault, FaultKind, Part, Schedule } from './schedule.ts';

/** A fault that has happened. */
export interface InflictedFault {
  readonly part: Part;
  readonly kind: FaultKind;
  /** Ms since the epoch. */
  readonly from: number;
  readonly to: number;
}

/** Longest time a process may take for its soft stop, ms; more counts as a crash. */
const STOP_DEADLINE_MS = 55_000;
const SLOW_LINK_MS = 60;

/** Runs all parts' faults beside each other; returns when the last one is over and healed. */
export async function inflictFaults(
  stack: ChaosStack,
  schedule: Schedule,
  signal: AbortSignal,
  windowMs: number,
): Promise<InflictedFault[]> {
  const inflicted: InflictedFault[] = [];
  const until = Date.now() + windowMs;
  const runPart = async (part: Part, faults: readonly Fault[]): Promise<void> => {
    for (const { kind, gapMs, durationMs } of faults) {
      await delay(gapMs, undefined, { signal }).catch(() => {});
      if (signal.aborted || Date.now() > until) return;
      const from = Date.now();
      await inflict(stack, kind, () => delay(durationMs, undefined, { signal }).catch(() => {}));
      inflicted.push({ part, kind, from, to: Date.now() });
    }
  };
  await Promise.all(Object.entries(schedule).map(([part, faults]) => runPart(part as Part, faults)));
  return inflicted.toSorted((a, b) => a.from - b.from);
}

type Wait = () => Promise<void>;

async function inflict(stack: ChaosStack, kind: FaultKind, wait: Wait): Promise<void> {
  const [part, ...rest] = kind.split('-') as [string, ...string[]];
  if (rest.at(-1) === 'cut' || rest.at(-1) === 'slow' || rest.at(-1) === 'silent')
    return harmLink(stack, kind, wait);
  switch (part) {
    case 'service':
    case 'archiver':
      return harmProcess(stack, part, rest.at(-1) ?? '', wait);
    case 'nats':
      return harmNats(stack, rest[0] ?? '', wait);
    case 's3':
      return harmS3(stack, rest.join('-'), wait);
    default:
      await stack.spool.fill();
      await wait();
      return stack.spool.free();
  }
}

async function harmProcess(
  stack: ChaosStack,
  name: 'service' | 'archiver',
  how: string,
  wait: Wait,
): Promise<void> {
  const victim = stack[name];
  if (how === 'pause') {
    victim.pause();
    await wait();
    return victim.goOn();
  }
  await (how === 'kill' ? victim.kill() : victim.stop(STOP_DEADLINE_MS));
  await wait();
  victim.start();
}

async function harmNats({ nats }: ChaosStack, how: string, wait: Wait): Promise<void> {
  if (how === 'pause') {
    await nats.kill('SIGSTOP');
    await wait();
    return nats.kill('SIGCONT');
  }
  await nats.kill(how === 'kill' ? 'SIGKILL' : 'SIGTERM');
  await wait();
  await nats.restart();
}

async function harmLink(stack: ChaosStack, kind: FaultKind, wait: Wait): Promise<void> {
  const end = kind.lastIndexOf('-');
  const link = stack.links[kind.slice(0, end) as keyof ChaosStack['links']];
  const how = kind.slice(end + 1);
  if (how === 'cut') return link.cut();
  if (how === 'slow') link.slow(SLOW_LINK_MS);
  else link.silence(true);
  await wait();
  link.slow(0);
  link.silence(false);
}

const S3_FAULTS: Readonly<Record<string, S3Fault>> = {
  '503': { kind: 'answer', status: 503, code: 'SlowDown' },
  reset: { kind: 'reset', afterBytes: 10_000 },
  stall: { kind: 'stall', forMs: 3_000 },
  'store-then-reset': { kind: 'store-then-reset' },
};

async function harmS3({ s3 }: ChaosStack, how: string, wait: Wait): Promise<void> {
  const fault = S3_FAULTS[how];
  if (fault !== undefined) {
    // Uploads only: a HEAD that fails keeps the archiver from uploading at all.
    const order = s3.faults.inject(fault, { times: Number.POSITIVE_INFINITY, method: 'POST' });
    await wait();
    return order.remove();
  }
  if (how === 'credentials') {
    s3.setCredentials([{ ...CREDENTIALS, secretAccessKey: 'rotated' }]);
    await wait();
    return s3.setCredentials([CREDENTIALS]);
  }
  await s3.pause();
  await wait();
  await s3.resume();
}
