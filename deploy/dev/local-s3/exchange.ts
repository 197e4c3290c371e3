import type { FileHandle } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { CredentialRing } from './credential-ring.ts';
import type { Fault, FaultBook } from './fault-injection.ts';
import type { ObjectFiles } from './object-files.ts';
import type { RequestBody } from './request-body.ts';
import type { RequestTarget } from './request-target.ts';
import type { BucketSettings } from './settings.ts';

/** Everything the operations share. */
export interface Site {
  readonly region: string;
  readonly credentials: CredentialRing;
  readonly buckets: Map<string, BucketSettings>;
  readonly files: ObjectFiles;
  readonly faults: FaultBook;
  readonly clock: () => Date;
  readonly bodyIdleTimeoutMs: number;
}

/** One request on its way. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly target: RequestTarget;
  /** One moment for the whole judgement. */
  readonly now: Date;
  readonly body: RequestBody;
  /** What becomes known on the way, for the log. */
  readonly trace: RequestTrace;
}

export interface RequestTrace {
  key: string | undefined;
  anonymous: boolean;
  fault: Fault | undefined;
  failure: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | FileSlice;
}

/** Part of an open file; sending the answer closes it. */
export interface FileSlice {
  readonly file: FileHandle;
  /** First byte. */
  readonly start: number;
  readonly length: number;
}

export const xmlAnswer = (document: string): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: document,
});
