/** Longest time that each program takes to stop, from the programs themselves. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageGenerationConfig } from '../../../services/image-generation/config.ts';
import { startFixture } from '../../_support/image-generation-fixture.ts';

/** What the service's stop takes after the calls' time (`STOP_CALLS_SECONDS`), ms: a running one is asked. */
export const AFTER_CALLS_MS = await afterCallsMs();

async function afterCallsMs(): Promise<number> {
  const environment = { ENABLE_INTERNAL_S3_UPLOAD: 'false' };
  await using fixture = await startFixture(environment);
  const { stopDeadlineMs } = fixture.service;
  if (stopDeadlineMs === undefined) throw new Error('the service does not say how long its stop takes');
  return stopDeadlineMs - imageGenerationConfig(environment).stopCallsMs;
}

/** The archiver's, ms: a number in its entry file, which cannot be imported without being run. */
export const ARCHIVER_STOP_MS = archiverStopMs();

function archiverStopMs(): number {
  const file = join(import.meta.dirname, '..', '..', '..', 'sidecar', 'main.ts');
  const found = /const STOP_DEADLINE_MS = ([\d_]+);/.exec(readFileSync(file, 'utf8'))?.[1];
  if (found === undefined) throw new Error(`${file} has no STOP_DEADLINE_MS`);
  return Number(found.replaceAll('_', ''));
}
