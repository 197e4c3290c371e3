import type { Command } from 'commander';

/** What a command may touch of its process. */
export interface CliIo {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal;
  /** Asks the user a question to be answered with yes or no; undefined when nobody is there to answer. */
  readonly confirm: ((question: string) => Promise<boolean>) | undefined;
  /** This machine's clock, ms since the epoch. */
  readonly nowMs: () => number;
}

/** Adds one command to the program; `finish` takes the exit code it ends with. */
export type RegisterCommand = (program: Command, io: CliIo, finish: (exitCode: number) => void) => void;

/** The user gave something that cannot be used; the message says what. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** NATS or the bucket could not be asked: nothing is known. */
export const EXIT_CODE_UNKNOWN = 2;
/** EX_USAGE of sysexits.h. */
export const EXIT_CODE_USAGE = 64;
/** 128 + SIGINT, as shells have it. */
export const EXIT_CODE_INTERRUPTED = 130;
