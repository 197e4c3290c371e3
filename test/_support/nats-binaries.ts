import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { natsServerPlaces } from '../../deploy/dev/nats-server.ts';
import { isExecutable } from './is-executable.ts';

/**
 * One executable per nats-server version on this machine: the suites that depend on it run with each.
 * NATS_SERVER_BIN alone when it is set, else those of PATH, the usual places, and what set-up keeps apart.
 */
export function natsServerBinaries(
  environment: NodeJS.ProcessEnv = process.env,
): { readonly version: string; readonly binary: string }[] {
  const keptApart = ['go', 'apt'].map((way) => join(process.cwd(), '.sekai', 'nats-servers', way));
  const byVersion = new Map<string, string>();
  for (const candidate of natsServerPlaces(environment, keptApart)) {
    if (!isExecutable(candidate)) continue;
    const version = /\d+\.\d+\.\d+/.exec(execFileSync(candidate, ['--version'], { encoding: 'utf8' }))?.[0];
    if (version !== undefined && !byVersion.has(version)) byVersion.set(version, candidate);
  }
  if (byVersion.size === 0) throw new Error('these tests need a nats-server: put one on PATH');
  return [...byVersion].map(([version, binary]) => ({ version, binary }));
}
