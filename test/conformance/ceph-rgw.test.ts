/** The one place that starts Ceph: a start takes a quarter of a minute. */
import { test } from 'vitest';
import { missingCephPrograms } from '../_support/ceph-rgw.ts';
import { startCephRgwTarget } from './ceph-rgw-target.ts';
import { describeS3Conformance } from './s3-conformance.ts';

const missing = missingCephPrograms();
if (missing.length === 0) describeS3Conformance('Ceph RGW', startCephRgwTarget);
else {
  const line = `SKIPPED Ceph RGW: no ${missing.join(', ')} here (deploy/dev/set-up/ceph-rgw.mjs installs it)`;
  process.stderr.write(`${line}\n`);
  test.skip(line, () => {});
}
