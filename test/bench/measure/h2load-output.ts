/** What h2load says of a run. */

export interface H2loadOutput {
  readonly seconds: number;
  readonly succeeded: number;
  /** Payload of HTTP/2 DATA frames. */
  readonly dataBytes: number;
}

const SECONDS_PER = { us: 1e-6, ms: 1e-3, s: 1, m: 60 } as const;

/** Undefined when it is not h2load's report of a run that ended. */
export function readH2loadOutput(stdout: string): H2loadOutput | undefined {
  const [, amount, unit] = /finished in ([\d.]+)(us|ms|s|m)\b/.exec(stdout) ?? [];
  const succeeded = Number(/(\d+) succeeded/.exec(stdout)?.[1]);
  // From "traffic: 286.17MB (300067214) total, 1.2KB (1234) headers (…), 286.1MB (300000000) data".
  const dataBytes = Number(/\((\d+)\) data/.exec(stdout)?.[1]);
  if (amount === undefined || Number.isNaN(succeeded + dataBytes)) return undefined;
  return { seconds: Number(amount) * SECONDS_PER[unit as keyof typeof SECONDS_PER], succeeded, dataBytes };
}

/** A line for each call: when it began, its status, how long it took, the last in microseconds. */
export const readH2loadLatenciesMs = (log: string): number[] =>
  log
    .trim()
    .split('\n')
    .map((line) => Number(line.split('\t')[2]) / 1000);
