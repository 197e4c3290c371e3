/** `sekai-archive doctor`: what is wrong, and what to do. */
import { ConfigError, EXIT_CODE_CONFIG } from '../../../services/runtime/environment.ts';
import { readArchiverConfig, readNatsAccess } from '../../config.ts';
import { inspectQueue } from '../../jetstream/inspect-queue.ts';
import type { CliIo, RegisterCommand } from '../cli-io.ts';
import { openArchive } from '../open-archive.ts';
import { type Check, fail, ok, verdictOfChecks } from './check.ts';
import { checkBucket } from './check-bucket.ts';
import { checkNats } from './check-nats.ts';
import { checkSpool } from './check-spool.ts';

interface DoctorFlags {
  readonly write?: boolean;
  readonly json?: boolean;
}

const HELP = `
Looks at the configuration, NATS and its streams, the store's clock, the bucket, permissions and privacy, and, where
SPOOL_DIR is set, the spool. Changes nothing, unless --write is given: then it uploads {prefix}doctor-probe.txt the way
pairs are uploaded, and removes it where the credentials may delete.

Exit codes: 0 all good or warnings only, 1 something fails, 64 wrong usage, 78 wrong configuration.`;

export const registerDoctor: RegisterCommand = (program, io, finish) => {
  program
    .command('doctor')
    .description('Looks at everything an archiver needs: what is wrong, and what to do about it.')
    .option('--write', 'also upload a small object, to test that permission')
    .option('--json', 'print one JSON object instead of lines')
    .addHelpText('after', HELP)
    .action(async (flags: DoctorFlags) => finish(await examine(flags, io)));
};

const DEFAULT_SPOOL_MAX_BYTES = 1024 ** 3;

/** Returns the exit code. */
async function examine({ write = false, json = false }: DoctorFlags, io: CliIo): Promise<number> {
  const configuration = await checkConfiguration(io);
  const unusable = configuration.status === 'fail';
  const checks = [configuration, ...(await checkQueue(io))];
  if (!unusable) {
    const archive = openArchive(io);
    const { nowMs, signal } = io;
    try {
      checks.push(...(await checkBucket({ archive, write, nowMs, signal })));
    } finally {
      await archive.store.close();
    }
  }
  const spool = io.environment['SPOOL_DIR'];
  if (spool) {
    const maxBytes = Number(io.environment['SPOOL_MAX_BYTES'] || DEFAULT_SPOOL_MAX_BYTES);
    checks.push(await checkSpool(spool, maxBytes, io.nowMs()));
  }
  const verdict = verdictOfChecks(checks);
  io.stdout.write(json ? `${JSON.stringify({ verdict, checks })}\n` : formatChecks(checks));
  if (unusable) return EXIT_CODE_CONFIG;
  return verdict === 'fail' ? 1 : 0;
}

async function checkConfiguration(io: CliIo): Promise<Check> {
  try {
    const { s3 } = readArchiverConfig(io.environment);
    // Also finds out whether there are credentials; asks nobody yet.
    await openArchive(io).store.close(0);
    return ok('configuration', `region ${s3.region}, ACL ${s3.objectAcl}, checksum ${s3.checksum}`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return fail('configuration', error.message, 'set the variables as the README describes them');
  }
}

/** Also with a configuration that is wrong elsewhere. */
async function checkQueue({ environment, nowMs }: CliIo): Promise<Check[]> {
  try {
    const access = readNatsAccess(environment);
    const replicas = Number(environment['NATS_REPLICAS'] || 1);
    return await checkNats(() => inspectQueue(access, replicas), nowMs());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Said with the configuration.
    return [];
  }
}

const WORDS: Readonly<Record<Check['status'], string>> = {
  ok: 'ok',
  warn: 'WARN',
  fail: 'FAIL',
  skipped: '-',
};

const formatChecks = (checks: readonly Check[]): string =>
  checks
    .map(({ name, status, message, cure }) => {
      const line = `${WORDS[status].padEnd(6)}${name.padEnd(15)}${message}\n`;
      return cure === undefined ? line : `${line}${' '.repeat(21)}do: ${cure}\n`;
    })
    .join('');
