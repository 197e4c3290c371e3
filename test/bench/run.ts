/** `npm run bench`: all benches, or those that are named. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, parse } from 'node:path';
import { Command } from 'commander';
import type { Bench } from './bench.ts';
import { ALL_BENCHES } from './benches/all-benches.ts';
import { markdownReport } from './report/markdown.ts';
import { countStolenTime } from './measure/stolen-time.ts';
import { drawPicture } from './report/picture.ts';
import { type BenchReport, describeMachine, loadAverage } from './report/report.ts';
import { benchText, machineText } from './report/table.ts';

interface Flags {
  readonly quick?: boolean;
  readonly rounds: string;
  readonly json?: boolean;
  readonly markdown?: boolean;
  readonly picture?: string;
}

const MIN_ROUNDS = 5;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function runBench(bench: Bench, rounds: number, quick: boolean): Promise<BenchReport> {
  const { name, title, leavesOut } = bench;
  const directory = await mkdtemp(join(tmpdir(), `sekai-bench-${name}-`));
  const started = performance.now();
  say(`${name} …`);
  try {
    const found = await bench.run({
      rounds,
      quick,
      directory,
      say: (line) => say(`  ${name}: ${line}`),
    });
    const result = 'skipped' in found ? { figures: [], skipped: found.skipped } : { figures: found };
    return { name, title, leavesOut, ...result, seconds: (performance.now() - started) / 1000 };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function main(names: readonly string[], flags: Flags): Promise<void> {
  const unknown = names.filter((name) => !ALL_BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0) throw new Error(`no bench ${unknown.join(', ')}`);
  const rounds = Math.max(MIN_ROUNDS, Number(flags.rounds));
  const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])];
  const stolen = countStolenTime();
  const machine = await describeMachine(command.join(' '), rounds);
  const print = (text: string): void => void (flags.json || flags.markdown || process.stdout.write(text));
  const benches: BenchReport[] = [];
  print(machineText(machine));
  for (const bench of ALL_BENCHES) {
    if (names.length > 0 && !names.includes(bench.name)) continue;
    const found = await runBench(bench, rounds, flags.quick ?? false);
    benches.push(found);
    print(benchText(found));
  }
  const report = {
    machine: {
      ...machine,
      'load average at the end': loadAverage(),
      'CPU that the host gave to others meanwhile': stolen() ?? 'unknown',
    },
    benches,
  };
  if (flags.json) process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  else if (flags.markdown) process.stdout.write(markdownReport(report));
  else print(`\nload average at the end: ${loadAverage()}\n`);
  const picture = flags.picture ?? join('.sekai', 'bench', 'bench.png');
  await mkdir(join(picture, '..'), { recursive: true });
  const { dir, name } = parse(picture);
  const dark = join(dir, `${name}-dark.png`);
  await writeFile(picture, await drawPicture(report, 'light'));
  await writeFile(dark, await drawPicture(report, 'dark'));
  say(`pictures: ${picture}, ${dark}`);
}

// The processes that are measured end with this one, however it ends: their starters listen for `exit`.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const listed = ALL_BENCHES.map(({ name }) => name).join(', ');
await new Command('bench')
  .argument('[names...]', `which of ${listed}; all without`)
  .option('--quick', 'smaller loads, within three minutes')
  .option('--rounds <n>', `at least ${MIN_ROUNDS}`, String(MIN_ROUNDS))
  .option('--json', 'the report as JSON on standard output')
  .option('--markdown', 'the report as Markdown on standard output, for the README')
  .option('--picture <file>', 'where the picture goes (PNG); the one for dark pages beside it')
  .action((names: string[], flags: Flags) => main(names, flags))
  .parseAsync();
