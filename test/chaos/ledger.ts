/** The ledger: what callers asked for and what they were told, one JSON object a line, only ever appended. */
import { openSync, readFileSync, writeSync } from 'node:fs';

export type LedgerLine =
  | {
      readonly line: 'asked';
      readonly requestId: string;
      readonly seed: number;
    }
  | {
      readonly line: 'answered';
      readonly requestId: string;
      readonly seed: number;
      /** Of the question, ms since the epoch. */
      readonly askedAt: number;
      readonly ms: number;
      readonly state: ToldState;
      readonly imageHash: string;
      readonly sizeBytes: number;
    }
  | {
      readonly line: 'failed';
      readonly requestId: string;
      readonly askedAt: number;
      readonly ms: number;
      readonly reason: string;
    };

export type ToldState = 'disabled' | 'spooled' | 'queued' | 'stored' | 'failed';

export type AnsweredLine = Extract<LedgerLine, { line: 'answered' }>;

/** Appends; on return the line is with the operating system. */
export function openLedger(file: string): (line: LedgerLine) => void {
  const descriptor = openSync(file, 'a', 0o600);
  return (line) => void writeSync(descriptor, `${JSON.stringify(line)}\n`);
}

export function readLedger(file: string): LedgerLine[] {
  // What follows the last line feed is being written.
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as LedgerLine);
}

/** Whether a caller was told that the image is safe. FAILED and DISABLED are no promises, nor is a failed call. */
export const isPromise = (line: LedgerLine): line is AnsweredLine =>
  line.line === 'answered' && line.state !== 'failed' && line.state !== 'disabled';
