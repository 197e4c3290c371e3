import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

export interface NatsBinary {
  readonly binary: string;
  readonly version: string;
}

/**
 * Every nats-server of this machine that the tests should run against, one per version: NATS_SERVER_BIN alone
 * when it is set, else those of PATH and the usual places.
 */
export function natsBinaries(environment: NodeJS.ProcessEnv = process.env): NatsBinary[] {
  const named = environment['NATS_SERVER_BIN'];
  const onPath = (environment['PATH'] ?? '').split(':').map((folder) => `${folder}/nats-server`);
  const candidates = named
    ? [named]
    : [
        '/opt/gobin/nats-server',
        ...onPath,
        '/usr/sbin/nats-server',
        `${process.cwd()}/.sekai/bin/nats-server`,
      ];
  const byVersion = new Map<string, NatsBinary>();
  for (const binary of candidates.filter((path) => existsSync(path))) {
    const output = execFileSync(binary, ['--version'], { encoding: 'utf8' });
    const version = /(\d+\.\d+\.\d+\S*)/.exec(output)?.[1] ?? output.trim();
    if (!byVersion.has(version)) byVersion.set(version, { binary, version });
  }
  if (byVersion.size === 0) throw new Error('these tests need a nats-server: put one on PATH');
  return [...byVersion.values()];
}
