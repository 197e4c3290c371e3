import { hash } from 'node:crypto';
import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The names under which a prompt or a secret could slip into a log line. A second fence: the first is not to log them. */
const REDACTED = [
  'prompt',
  'negativePrompt',
  'authorization',
  'signature',
  'policy',
  'fields',
  'secretAccessKey',
  'sessionToken',
];

/**
 * JSON lines on standard output, one object per line, with `service` naming the process.
 * Secrets and prompts never belong in a line; log {@link promptFacts} instead.
 */
export function createLogger(service: string, level: LogLevel, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
      serializers: { err: pino.stdSerializers.errWithCause },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
}

/** What may be said of a prompt in a log: its length in UTF-8 bytes and the first 16 hex digits of its SHA-256. */
export function promptFacts(prompt: string): { promptBytes: number; promptHash: string } {
  return {
    promptBytes: Buffer.byteLength(prompt),
    promptHash: hash('sha256', prompt).slice(0, 16),
  };
}
