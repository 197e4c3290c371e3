/** One thing the doctor looked at. */
export interface Check {
  readonly name: string;
  /** `skipped`: not asked, because of an answer before it, or because nobody wanted it. */
  readonly status: 'ok' | 'warn' | 'fail' | 'skipped';
  /** What was found. */
  readonly message: string;
  /** What to do about it; absent when there is nothing to do. */
  readonly cure?: string;
}

export const ok = (name: string, message: string): Check => ({ name, status: 'ok', message });
export const skipped = (name: string, message: string): Check => ({ name, status: 'skipped', message });
export const warn = (name: string, message: string, cure: string): Check => ({
  name,
  status: 'warn',
  message,
  cure,
});
export const fail = (name: string, message: string, cure: string): Check => ({
  name,
  status: 'fail',
  message,
  cure,
});

/** `fail` outweighs `warn` outweighs `ok`. */
export function verdictOfChecks(checks: readonly Check[]): 'ok' | 'warn' | 'fail' {
  for (const status of ['fail', 'warn'] as const) {
    if (checks.some((check) => check.status === status)) return status;
  }
  return 'ok';
}
