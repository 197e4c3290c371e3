/** The archiver as a process, with short pauses: for runs that have no minutes to wait for a retry. */
import { runUntilSignal } from '../../services/runtime/lifecycle.ts';
import { startArchiver } from '../../sidecar/archiver.ts';
import { readArchiverConfig } from '../../sidecar/config.ts';

await runUntilSignal(
  async () =>
    startArchiver(readArchiverConfig(process.env), {
      backoff: { baseMs: 200, maxMs: 4_000 },
      watchdog: { pollMs: 1_000, stalledAfterMs: 5_000, strandedAfterMs: 8_000, rebuildIntervalMs: 10_000 },
    }),
  { stopDeadlineMs: 27_000 },
);
