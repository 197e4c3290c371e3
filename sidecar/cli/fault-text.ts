import { EventFault } from '../../proto/archive-event.ts';
import { ConfigError } from '../../services/runtime/environment.ts';
import { TargetFault } from '../object-store.ts';
import { QueueAccessError } from '../operator-queue.ts';
import { UsageError } from './cli-io.ts';

/** Text for a person: what happened and what to do about it; a stack only for what nobody foresaw. */
export function describeFault(error: unknown): string {
  if (error instanceof TargetFault || error instanceof QueueAccessError)
    return `${error.message}: ${error.cure}`;
  if (error instanceof EventFault || error instanceof ConfigError || error instanceof UsageError)
    return error.message;
  // Of node:fs, such as a file that is not there.
  if (error instanceof Error && 'syscall' in error) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
