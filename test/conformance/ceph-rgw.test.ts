/** The one place that starts Ceph: a start takes a quarter of a minute. */
import { missingCephPrograms } from '../_support/ceph-rgw.ts';
import { startCephRgwTarget } from './ceph-rgw-target.ts';
import { describeS3Conformance } from './s3-conformance.ts';

const lacking = missingCephPrograms();
const missing =
  lacking.length === 0
    ? undefined
    : `no ${lacking.join(', ')} here (node deploy/dev/set-up/s3-servers.mjs installs it where there is apt)`;

describeS3Conformance('Ceph RGW', startCephRgwTarget, missing);
