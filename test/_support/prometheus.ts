/** A real Prometheus, which scrapes what the test names, and its query API. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { createChildProcesses } from '../../deploy/dev/child-processes.ts';
import { isExecutable } from './is-executable.ts';

const FOLDERS = [
  ...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''),
  // Where deploy/dev/set-up/prometheus.mjs puts it.
  join(import.meta.dirname, '..', '..', '.sekai', 'prometheus'),
];
/** Also the longest that a scrape may take, on a busy machine. */
const SCRAPE_INTERVAL = '3s';
const EVALUATION_INTERVAL = '1s';
const QUERY_TIMEOUT_MS = 10_000;

/** Prometheus and promtool sync all they write, which takes minutes on a busy disk: in memory where that is possible. */
export const SCRATCH = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** The path of an executable of Prometheus; undefined where there is none. */
export const findPrometheusTool = (name: 'prometheus' | 'promtool'): string | undefined =>
  FOLDERS.map((folder) => join(folder, name)).find(isExecutable);

/** One series of an instant query. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface LoadedRule {
  readonly name: string;
  readonly query: string;
  readonly health: string;
  readonly lastError?: string;
  /** `inactive`, `pending` or `firing`. */
  readonly state: string;
}

export interface Prometheus {
  /** @throws {Error} with Prometheus' words when it does not understand the expression. */
  query(expr: string): Promise<Sample[]>;
  rules(): Promise<LoadedRule[]>;
  /** Health of each target, such as `up`. */
  targets(): Promise<string[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts it on a free port and returns when it answers queries.
 * @param targets Ports of this machine that have /metrics.
 * @throws {Error} with its log when it ends instead, such as over a rule that it does not understand.
 */
export async function startPrometheus(
  binary: string,
  ruleFile: string,
  targets: readonly number[],
): Promise<Prometheus> {
  const directory = await mkdtemp(join(SCRATCH, 'sekai-prometheus-'));
  const configFile = join(directory, 'prometheus.yml');
  await writeFile(configFile, stringify(configuration(ruleFile, targets)));
  const child = spawn(
    binary,
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
      '--log.format=json',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  createChildProcesses().add(child);
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  async function stop(): Promise<void> {
    child.kill('SIGTERM');
    await exited;
    await rm(directory, { recursive: true, force: true });
  }
  try {
    const address = await listeningAddress(child.stderr);
    return { ...api(`http://${address}`), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const configuration = (ruleFile: string, targets: readonly number[]): object => ({
  global: {
    scrape_interval: SCRAPE_INTERVAL,
    scrape_timeout: SCRAPE_INTERVAL,
    evaluation_interval: EVALUATION_INTERVAL,
  },
  rule_files: [ruleFile],
  scrape_configs: [
    { job_name: 'sekai-image', static_configs: [{ targets: targets.map((port) => `127.0.0.1:${port}`) }] },
  ],
});

/** The log is read to its end, so that Prometheus never waits for its reader. */
async function listeningAddress(log: NodeJS.ReadableStream): Promise<string> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    const reader = createInterface({ input: log });
    let address: string | undefined;
    reader.on('line', (text) => {
      lines.push(text);
      const line = JSON.parse(text) as { msg?: string; address?: string };
      if (line.msg === 'Listening on') address = line.address;
      if (line.msg?.startsWith('Server is ready') && address !== undefined) resolve(address);
    });
    reader.once('close', () => reject(new Error(`Prometheus ended:\n${lines.join('\n')}`)));
  });
}

function api(base: string): Pick<Prometheus, 'query' | 'rules' | 'targets'> {
  async function ask<T>(path: string, parameters: Record<string, string> = {}): Promise<T> {
    const response = await fetch(`${base}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`, {
      signal: AbortSignal.timeout(QUERY_TIMEOUT_MS),
    });
    const { status, error, data } = (await response.json()) as { status: string; error?: string; data: T };
    if (status !== 'success') throw new Error(`${parameters['query'] ?? path}: ${error}`);
    return data;
  }
  return {
    async query(expr) {
      const { result } = await ask<{
        result: { metric: Record<string, string>; value: [number, string] }[];
      }>('query', { query: expr });
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    async rules() {
      const { groups } = await ask<{ groups: { rules: LoadedRule[] }[] }>('rules');
      return groups.flatMap(({ rules }) => rules);
    },
    async targets() {
      const { activeTargets } = await ask<{ activeTargets: { health: string }[] }>('targets');
      return activeTargets.map(({ health }) => health);
    },
  };
}
