import { SingleBar } from 'cli-progress';
import type { Verdict } from './verify-pair.ts';

export interface VerifyProgress {
  update(hash: string, counts: Readonly<Record<Verdict, number>>): void;
  /** Takes the bar away, so that a line can be printed; the next update draws it again. */
  clear(): void;
  stop(): void;
}

const SILENT: VerifyProgress = { update: () => {}, clear: () => {}, stop: () => {} };
/** Places on the bar. */
const TOTAL = 0x1_0000;

/**
 * A bar on a terminal, nothing elsewhere. How many pairs there are nobody knows; but SHA-256 spreads them evenly, so
 * that in a sorted list the first digits of a hash say how far it is through.
 */
export function createVerifyProgress(stderr: NodeJS.WritableStream, sorted: boolean): VerifyProgress {
  if (!('isTTY' in stderr) || stderr.isTTY !== true) return SILENT;
  const bar = sorted ? '[{bar}] {percentage} %  ' : '';
  const format = `${bar}{good} good, {bad} bad, {unchecked} not checked`;
  // The owner stops it, also on a signal.
  const display = new SingleBar({
    stream: stderr,
    format,
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
  });
  display.start(TOTAL, 0, { good: 0, bad: 0, unchecked: 0 });
  return {
    update: (hash, counts) => display.update(Number.parseInt(hash.slice(0, 4), 16), counts),
    // Back to the start of the line, and everything after it away.
    clear: () => void stderr.write('\r\u001b[K'),
    stop: () => display.stop(),
  };
}
