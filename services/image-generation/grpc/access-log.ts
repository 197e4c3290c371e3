import { status } from '@grpc/grpc-js';
import type { Logger } from '../../runtime/logger.ts';
import type { CallNotebook } from './call-notes.ts';
import { type CallEnd, type CallObserver, type ObservedCall, UNKNOWN_METHOD } from './call-observer.ts';
import { createLineBudget } from './line-budget.ts';
import { statusName } from './status-names.ts';

/** Longest piece of a line that a peer makes up, characters. */
const MAX_TEXT = 100;

/**
 * One line, `call ended`, for every call, refused and unknown ones included. Streams that end OK always have theirs:
 * each was a generation, and the engine bounds those. All others cost a peer next to nothing, so each code has a
 * budget of 100 lines that refills by 20 a second; the next line of that code tells in `suppressed` how many there
 * would have been meanwhile, and the metrics count them all.
 */
export function createAccessLog(logger: Logger, notebook: CallNotebook, now?: () => number): CallObserver {
  const budget = createLineBudget({ burst: 100, perSecond: 20, ...(now ? { now } : {}) });
  return {
    started: (call) => {
      const deadlineMs = Math.round(call.deadline - Date.now());
      return {
        ended: (end) => {
          const isStream = call.type === 'server_stream' && end.code === status.OK;
          const leave = isStream ? { suppressed: 0 } : budget.take(end.code);
          if (leave === undefined) return;
          const suppressed = leave.suppressed > 0 ? { suppressed: leave.suppressed } : {};
          logger.info({ ...line(call, end, deadlineMs, notebook), ...suppressed }, 'call ended');
        },
      };
    },
  };
}

function line(call: ObservedCall, end: CallEnd, deadlineMs: number, notebook: CallNotebook): object {
  const { unknownPath, ...notes } = notebook.of(call);
  return {
    method: call.method,
    ...(call.method === UNKNOWN_METHOD ? { path: unknownPath?.slice(0, MAX_TEXT) } : {}),
    code: statusName(end.code),
    ms: Math.round(end.durationMs),
    ...notes,
    peer: call.peer,
    bytes: end.bytesSent,
    messages: end.messagesSent,
    ...(Number.isFinite(deadlineMs) ? { deadlineMs } : {}),
  };
}
