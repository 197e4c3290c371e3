#!/usr/bin/env node
import { runUntilSignal } from '../services/runtime/lifecycle.ts';
import { startArchiver } from './archiver.ts';
import { readArchiverConfig } from './config.ts';

/** Above the archiver's own soft stop (20 s) and below Kubernetes' default grace of 30 s. */
const STOP_DEADLINE_MS = 27_000;

await runUntilSignal(async () => startArchiver(readArchiverConfig(process.env)), {
  stopDeadlineMs: STOP_DEADLINE_MS,
});
