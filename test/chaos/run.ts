/** The chaos run: load, faults, peace, the check. Exits 1 when anything was lost, corrupt or orphaned. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ChaosStack, startChaosStack } from './chaos-stack.ts';
import type { CheckReport } from './check-ledger.ts';
import { type InflictedFault, inflictFaults } from './inflict.ts';
import { isPromise, readLedger } from './ledger.ts';
import { type MemoryWatch, watchMemory } from './memory-watch.ts';
import { type ChaosOptions, readOptions, repeatCommand } from './options.ts';
import { drained, type QueueState, queueState } from './queue-state.ts';
import { faultsOf, formatReport, type RunResult } from './report.ts';
import { corruptObject, dropEvent, orphanChunk } from './sabotage.ts';
import { planFaults, planScenario } from './schedule.ts';

/** Below this archiver and consumer are hurried. */
const SHORT_RUN_MINUTES = 3;
const START_DEADLINE_MS = 60_000;
/** Without change for so long a queue is stuck, ms. The longest pause between attempts is a minute. */
const PATIENCE_MS = { hurried: 40_000, otherwise: 7 * 60_000 };

async function main(chosen: ChaosOptions, signal: AbortSignal): Promise<number> {
  print(`chaos: ${repeatCommand(chosen)}`);
  const directory = await mkdtemp(join(tmpdir(), 'sekai-chaos-'));
  const stack = await startStack(chosen, directory);
  let good = false;
  try {
    const run = await runChaos(stack, chosen, join(directory, 'spool', 'files'), signal);
    const result = { ...run, consumerRebuilds: rebuildsIn(join(directory, 'archiver.log')) };
    print(formatReport(result));
    const faults = faultsOf(result);
    good = faults.length === 0 && !signal.aborted;
    print(good ? 'good: nothing lost, nothing corrupt, nothing orphaned' : `NOT GOOD: ${faults.join('; ')}`);
    if (!good) print(`repeat with: ${repeatCommand(chosen)}`);
  } finally {
    await stack.close();
    // Sabotaged runs fail on purpose: there is nothing to look into.
    if (good || chosen.sabotage !== undefined) {
      if (!chosen.keep) await rm(directory, { recursive: true, force: true });
    } else await rm(join(directory, 's3'), { recursive: true, force: true });
    if (chosen.keep || (!good && chosen.sabotage === undefined))
      print(`logs, ledger and streams: ${directory}`);
  }
  return good ? 0 : 1;
}

function startStack(
  { minutes, seed, natsBinary, callers, maxBytes, scenario }: ChaosOptions,
  directory: string,
): Promise<ChaosStack> {
  const hurried = minutes < SHORT_RUN_MINUTES;
  const bytesPerSecond = maxBytes / (minutes * 60);
  return startChaosStack({
    directory,
    natsBinary,
    hurried,
    ackWaitMs: ackWaitMs(minutes),
    largeSpool: scenario !== undefined,
    callers: { seed, concurrency: callers, bytesPerSecond },
  });
}

/** The archiver reports work every 10 s; less would make every slow upload a repeated one. */
const ackWaitMs = (minutes: number): number => (minutes < SHORT_RUN_MINUTES ? 12_000 : 30_000);

async function runChaos(
  stack: ChaosStack,
  chosen: ChaosOptions,
  spoolDirectory: string,
  signal: AbortSignal,
): Promise<Omit<RunResult, 'consumerRebuilds'>> {
  const memory = watchMemory(() => ({
    service: stack.service.pid,
    archiver: stack.archiver.pid,
    'nats-server': stack.nats.pid,
    callers: stack.callers.pid,
  }));
  const look = (): Promise<QueueState> => queueState(stack.observer, spoolDirectory);
  const faults = await load(stack, chosen, look, signal);
  const stoppedAt = Date.now();
  const left = await settle(stack, look, chosen);
  const drainMs = Date.now() - stoppedAt;
  return {
    ...(await judge(stack, memory)),
    natsVersion: stack.nats.version,
    faults,
    left,
    scenario: chosen.scenario,
    spoolFault: stack.spool.fault,
    drainMs,
  };
}

/** Load for `minutes`: a quiet tenth, faults, a quiet tenth. */
async function load(
  stack: ChaosStack,
  { minutes, seed, only, scenario, sabotage }: ChaosOptions,
  look: () => Promise<QueueState>,
  signal: AbortSignal,
): Promise<InflictedFault[]> {
  const quietMs = Math.min(30_000, minutes * 60_000 * 0.1);
  const windowMs = minutes * 60_000 - 2 * quietMs;
  stack.archiver.start();
  stack.service.start();
  await listens(stack.target, signal);
  stack.callers.start();
  await firstPromise(stack.ledgerFile, signal);
  const quiet = (): Promise<unknown> => delay(quietMs, undefined, { signal }).catch(() => {});
  await quiet();
  const plan = { seed, only, windowMs, ackWaitMs: ackWaitMs(minutes) };
  const schedule = scenario === undefined ? planFaults(plan) : planScenario(scenario, plan);
  const [faults] = await Promise.all([
    inflictFaults(stack, schedule, signal, windowMs),
    delay(windowMs, undefined, { signal }).catch(() => {}),
  ]);
  await quiet();
  if (sabotage === 'drop-event') await dropEvent(stack, async () => (await look()).spooled);
  await stack.callers.stop(120_000);
  return faults;
}

/** Callers that come before the service is up would count as failed. */
async function listens(target: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (!signal.aborted && !(await answers(target))) {
    if (Date.now() > deadline) throw new Error('the service did not start');
    await delay(50);
  }
}

function answers(target: string): Promise<boolean> {
  const [host = '', port = ''] = target.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    const end = (answered: boolean): void => (socket.destroy(), resolve(answered));
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

/** The clock starts when the system does: on a busy machine its processes take seconds to come up. */
async function firstPromise(ledgerFile: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (!signal.aborted && !(existsSync(ledgerFile) && readLedger(ledgerFile).some(isPromise))) {
    if (Date.now() > deadline) throw new Error('no image was handed over: the system did not start');
    await delay(50);
  }
}

/** Waits until all is archived, then stops service and archiver as a pod is stopped. */
async function settle(
  stack: ChaosStack,
  look: () => Promise<QueueState>,
  { minutes, sabotage }: ChaosOptions,
): Promise<QueueState> {
  const patienceMs = minutes < SHORT_RUN_MINUTES ? PATIENCE_MS.hurried : PATIENCE_MS.otherwise;
  const left = await drained(look, patienceMs);
  await stack.service.stop(55_000);
  await stack.archiver.stop(30_000);
  if (sabotage === 'corrupt-object') await corruptObject(stack);
  if (sabotage === 'orphan-chunk') await orphanChunk(stack);
  return left.events + left.spooled + left.chunks > 0 ? left : look();
}

async function judge(
  { ledgerFile, objectDirectory, service, archiver, callers, uploads }: ChaosStack,
  memory: MemoryWatch,
): Promise<Pick<RunResult, 'check' | 'ledger' | 'crashes' | 'uploads' | 'peaksMib'>> {
  memory.stop();
  const { attempts, repeated, unanswered } = uploads;
  return {
    check: await checkInItsOwnProcess(ledgerFile, objectDirectory),
    ledger: readLedger(ledgerFile),
    crashes: [service, archiver, callers].flatMap((victim) => victim.crashes),
    uploads: { attempts, repeated, unanswered },
    peaksMib: memory.peaksMib,
  };
}

function checkInItsOwnProcess(ledgerFile: string, objectDirectory: string): Promise<CheckReport> {
  const program = join(import.meta.dirname, 'check.js');
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [program, ledgerFile, objectDirectory],
      { maxBuffer: 2 ** 28 },
      (error, stdout) => {
        // It exits 1 for a fault, and says which.
        if (stdout.startsWith('{')) resolve(JSON.parse(stdout) as CheckReport);
        else reject(error ?? new Error('the check said nothing'));
      },
    );
  });
}

const rebuildsIn = (logFile: string): number =>
  readFileSync(logFile, 'utf8').split('Archive: consumer is rebuilt').length - 1;

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const options = readOptions(process.argv.slice(2));
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
process.exitCode = await main(options, interrupted.signal);
