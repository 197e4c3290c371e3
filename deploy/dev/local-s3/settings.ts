/** What the local S3 is told: credentials and buckets. */

export interface S3Credential {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** With a token the credential is temporary: every request must carry it. */
  readonly sessionToken?: string;
  /** After this the credential answers ExpiredToken (temporary) or InvalidAccessKeyId (long-lived). */
  readonly expiration?: Date;
}

export interface BucketOptions {
  readonly name: string;
  /** Default `ObjectWriter`: ACLs work. `BucketOwnerEnforced`, the default of new AWS buckets, switches them off. */
  readonly objectOwnership?: 'ObjectWriter' | 'BucketOwnerEnforced';
  /** A bucket policy lets everybody read every object. Default false. */
  readonly publicRead?: boolean;
  /**
   * Block Public Access, all four switches. Default as AWS makes buckets: on for `BucketOwnerEnforced`
   * without `publicRead`, otherwise not configured.
   */
  readonly publicAccessBlock?: boolean;
  /** Whether the credentials have `s3:ListBucket`; without it a missing key answers 403, not 404. Default true. */
  readonly listBucketAllowed?: boolean;
}

export type BucketSettings = Required<BucketOptions>;

export function bucketSettings(options: BucketOptions): BucketSettings {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(options.name)) {
    throw new Error(`not a bucket name: ${JSON.stringify(options.name)}`);
  }
  const objectOwnership = options.objectOwnership ?? 'ObjectWriter';
  const publicRead = options.publicRead ?? false;
  return {
    name: options.name,
    objectOwnership,
    publicRead,
    publicAccessBlock:
      options.publicAccessBlock ?? (objectOwnership === 'BucketOwnerEnforced' && !publicRead),
    listBucketAllowed: options.listBucketAllowed ?? true,
  };
}
