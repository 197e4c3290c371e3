import { status } from '@grpc/grpc-js';
import { createLineBudget, type LineBudget } from '../../runtime/line-budget.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { CallNotebook } from './call-notes.ts';
import { type CallEnd, type CallObserver, type ObservedCall, UNKNOWN_METHOD } from './call-observer.ts';
import { statusName } from './status-names.ts';

/** Longest piece of a line that a peer makes up, characters. */
const MAX_TEXT = 100;

/** Lines of one code in five seconds at most, streams that end OK aside. */
const MAX_LINES = 100;
const PER_MS = 5_000;

/**
 * One line, `call ended`, for every call, refused and unknown ones included. Streams that end OK always have theirs:
 * each was a generation, and the engine bounds those. All others cost a peer next to nothing, so each code has a
 * budget; the next line of that code tells in `leftOut` how many there would have been meanwhile, and the metrics
 * count them all.
 */
export function createAccessLog(logger: Logger, notebook: CallNotebook): CallObserver {
  // Codes are few: grpc-js takes no others from handlers.
  const budgets = new Map<number, LineBudget>();
  const budgetOf = (code: number): LineBudget => {
    const budget = budgets.get(code) ?? createLineBudget(MAX_LINES, PER_MS);
    budgets.set(code, budget);
    return budget;
  };
  return {
    started: (call) => {
      const deadlineMs = Math.round(call.deadline - Date.now());
      return {
        ended(end) {
          const write = (leftOut: number): void =>
            logger.info(
              { ...line(call, end, deadlineMs, notebook), ...(leftOut > 0 ? { leftOut } : {}) },
              'call ended',
            );
          if (call.type === 'server_stream' && end.code === status.OK) write(0);
          else budgetOf(end.code).spend(write);
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
