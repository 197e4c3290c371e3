import type { S3Credential } from '../../deploy/dev/local-s3/settings.ts';

/** A store that the suite is run against. */
export interface S3Target {
  readonly name: string;
  readonly endpoint: string;
  readonly region: string;
  /** Owns both buckets. */
  readonly owner: S3Credential;
  readonly bucket: string;
  /** A bucket whose objects an account may read and write, but not list; undefined where that cannot be had. */
  readonly unlisted: { readonly bucket: string; readonly credential: S3Credential } | undefined;
  /** Rules that this store answers otherwise than the table says, each with the reason. */
  readonly differences: Readonly<Record<string, Difference>>;
  /** Idempotent. */
  stop(): Promise<void>;
}

export interface Difference {
  readonly answer: string;
  readonly why: string;
}

export const OWNER: S3Credential = {
  accessKeyId: 'AKIACONFORMANCE00001',
  secretAccessKey: 'conformance-secret-of-the-owner',
};
export const UPLOADER: S3Credential = {
  accessKeyId: 'AKIACONFORMANCE00002',
  secretAccessKey: 'conformance-secret-of-the-uploader',
};
export const BUCKET = 'conformance';
export const UNLISTED_BUCKET = 'conformance-unlisted';
export const REGION = 'us-east-1';
