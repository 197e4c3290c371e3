import { startLocalS3Target } from './local-s3-target.ts';
import { describeS3Conformance } from './s3-conformance.ts';

describeS3Conformance('the strict local S3', startLocalS3Target);
