import type { Logger } from '../services/runtime/logger.ts';
import type { TargetFault, TargetFaultKind } from './object-store.ts';

/** These do not heal by themselves. */
const NEEDS_AN_OPERATOR: ReadonlySet<TargetFaultKind> = new Set([
  'credentials',
  'permission',
  'bucket',
  'configuration',
  'clock',
]);
/** How often a fault that lasts is said again, ms. */
const REMINDER_MS = 5 * 60_000;

export interface TargetFaultLog {
  /** An attempt at `facts.key` failed. */
  failed(fault: TargetFault, facts: Readonly<Record<string, unknown>> & { readonly key: string }): void;
  /** An attempt succeeded. */
  succeeded(): void;
}

/**
 * Says what is wrong with the target and how to cure it. A fault that only an operator can cure is one line however
 * many probes meet it, then a reminder every five minutes, and a line when it is over.
 */
export function createTargetFaultLog(log: Logger, now: () => number = Date.now): TargetFaultLog {
  let open: { readonly kind: TargetFaultKind; readonly saidAt: number; unsaid: number } | undefined;
  return {
    failed: (fault, facts) => {
      const { kind, cure } = fault;
      const line = { ...facts, kind, cure };
      const text = `Internal S3: Failed to upload ${facts.key}: ${fault.message}`;
      if (!NEEDS_AN_OPERATOR.has(kind)) return log.warn(line, text);
      if (open?.kind === kind && now() - open.saidAt < REMINDER_MS) {
        open.unsaid += 1;
        return log.debug(line, text);
      }
      const more = open?.kind === kind ? { failuresSinceLastLine: open.unsaid } : {};
      open = { kind, saidAt: now(), unsaid: 0 };
      log.error({ ...line, ...more }, text);
    },
    succeeded: () => {
      if (open !== undefined) log.info({ kind: open.kind }, 'Internal S3: uploads succeed again');
      open = undefined;
    },
  };
}
