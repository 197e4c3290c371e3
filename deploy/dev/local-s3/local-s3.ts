/**
 * A strict S3 on local files, for the dev stack and the tests: it judges uploads as AWS does, so that a form
 * it accepts is good, and keeps objects as files a person can open. Nothing is shared with the code it judges.
 */
import { resolve } from 'node:path';
import { createCredentialRing } from './credential-ring.ts';
import type { Site } from './exchange.ts';
import { createFaultBook, type FaultInjector } from './fault-injection.ts';
import { openListener } from './http-listener.ts';
import { openObjectFiles } from './object-files.ts';
import { createRequestHandler } from './request-handler.ts';
import { createRequestLog, type RequestRecord } from './request-log.ts';
import { type BucketOptions, bucketSettings, type S3Credential } from './settings.ts';
import { createStoredObjects, type StoredObjects } from './stored-objects.ts';

export interface LocalS3Options {
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Objects: `{directory}/{bucket}/{key}`; what is known of them: `{directory}/.metadata`. Created when missing. */
  readonly directory: string;
  readonly credentials: readonly S3Credential[];
  readonly region: string;
  readonly buckets: readonly BucketOptions[];
  /** Default: the system's clock. */
  readonly clock?: () => Date;
  /** Called once per request. Nothing else is printed or logged. */
  readonly log?: (record: RequestRecord) => void;
  /** How many requests `requests` remembers. Default 10,000. */
  readonly maxRequests?: number;
  /** A body that pauses longer is refused with RequestTimeout, ms. Default 20,000. */
  readonly bodyIdleTimeoutMs?: number;
}

export interface LocalS3 {
  /** `http://{host}:{port}`, without a trailing slash. */
  readonly endpoint: string;
  /** Newest last; the live log, bounded. */
  readonly requests: readonly RequestRecord[];
  readonly faults: FaultInjector;
  /** The objects behind S3's back: no request, no check. */
  readonly objects: StoredObjects;
  /** Replaces all credentials at once; running requests keep those they were judged with. */
  setCredentials(credentials: readonly S3Credential[]): void;
  /** Changes a bucket's settings, or adds a bucket. */
  setBucket(options: BucketOptions): Promise<void>;
  /** "S3 is down": closes the port and every connection. Idempotent. */
  pause(): Promise<void>;
  /** Comes back on the same port with the same objects. Not after `stop`. */
  resume(): Promise<void>;
  /** Ends everything; objects stay on disk. Idempotent. */
  stop(): Promise<void>;
}

/** @throws {Error} when the port cannot be had or the directory not be written. */
export async function startLocalS3(options: LocalS3Options): Promise<LocalS3> {
  const host = options.host ?? '127.0.0.1';
  const buckets = new Map(options.buckets.map((bucket) => [bucket.name, bucketSettings(bucket)]));
  const files = await openObjectFiles(resolve(options.directory), [...buckets.keys()]);
  const site: Site = {
    region: options.region,
    credentials: createCredentialRing(options.credentials),
    buckets,
    files,
    faults: createFaultBook(),
    clock: options.clock ?? (() => new Date()),
    bodyIdleTimeoutMs: options.bodyIdleTimeoutMs ?? 20_000,
  };
  const log = createRequestLog(options.maxRequests ?? 10_000, options.log);
  const listener = await openListener(host, options.port ?? 0, createRequestHandler(site, log));
  let stopped = false;
  return {
    endpoint: `http://${host}:${listener.port}`,
    requests: log.records,
    faults: site.faults,
    objects: createStoredObjects(files, site.clock),
    setCredentials: (credentials) => site.credentials.replace(credentials),
    async setBucket(bucket) {
      const settings = bucketSettings(bucket);
      await files.addBucket(settings.name);
      buckets.set(settings.name, settings);
    },
    pause: () => listener.close(),
    async resume() {
      if (stopped) throw new Error('this local S3 has been stopped');
      await listener.reopen();
    },
    async stop() {
      stopped = true;
      await listener.close();
    },
  };
}
