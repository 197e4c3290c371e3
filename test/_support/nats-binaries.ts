import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * One executable per nats-server version on this machine: the suites that depend on it run with each.
 * NATS_SERVER_BIN alone when it is set, else those of PATH and the usual places.
 */
export function natsServerBinaries(
  environment: NodeJS.ProcessEnv = process.env,
): { readonly version: string; readonly binary: string }[] {
  const folders = (environment['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const ours = join(process.cwd(), '.sekai');
  const usual = [
    '/usr/sbin',
    join(ours, 'bin'),
    join(ours, 'nats-servers', 'go'),
    join(ours, 'nats-servers', 'apt'),
  ];
  const named = environment['NATS_SERVER_BIN'];
  const candidates = named ? [named] : [...folders, ...usual].map((folder) => join(folder, 'nats-server'));
  const byVersion = new Map<string, string>();
  for (const candidate of candidates) {
    if (!isExecutable(candidate)) continue;
    const version = /\d+\.\d+\.\d+/.exec(execFileSync(candidate, ['--version'], { encoding: 'utf8' }))?.[0];
    if (version !== undefined && !byVersion.has(version)) byVersion.set(version, candidate);
  }
  if (byVersion.size === 0) throw new Error('these tests need a nats-server: put one on PATH');
  return [...byVersion].map(([version, binary]) => ({ version, binary }));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
