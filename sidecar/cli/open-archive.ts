import { createLogger } from '../../services/runtime/logger.ts';
import { readArchiverConfig } from '../config.ts';
import { resolveCredentialProvider } from '../s3/credentials/resolve-credential-provider.ts';
import type { S3Config } from '../s3/s3-config.ts';
import { createS3ObjectStore, type S3ObjectStore } from '../s3/s3-object-store.ts';
import type { CliIo } from './cli-io.ts';

/** The bucket as the environment names it. */
export interface OpenArchive {
  readonly config: S3Config;
  readonly store: S3ObjectStore;
}

/** A person waits: fewer attempts than the archiver makes, which has all the time. */
const MAX_ATTEMPTS = 3;

/**
 * Opens the bucket; `store.close()` it.
 * @throws {ConfigError} with every variable that cannot be used.
 */
export function openArchive({ environment, nowMs }: Pick<CliIo, 'environment' | 'nowMs'>): OpenArchive {
  const { s3: config } = readArchiverConfig(environment);
  // Faults reach the user as text; log lines would stand between the lines of the answer.
  const logger = createLogger('sekai-archive', 'silent');
  const credentials = resolveCredentialProvider(environment, { region: config.region, logger, nowMs });
  const options = { config, credentials, logger, nowMs, maxAttempts: MAX_ATTEMPTS };
  return { config, store: createS3ObjectStore(options) };
}
