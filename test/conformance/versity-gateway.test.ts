import { test } from 'vitest';
import { findVersityGateway } from '../_support/versity-gateway.ts';
import { describeS3Conformance } from './s3-conformance.ts';
import { startVersityGatewayTarget } from './versity-gateway-target.ts';

const binary = findVersityGateway();
if (binary !== undefined) describeS3Conformance('VersityGW', () => startVersityGatewayTarget(binary));
else {
  const line = 'SKIPPED VersityGW: not here (deploy/dev/set-up/s3-servers.mjs builds it where there is Go)';
  process.stderr.write(`${line}\n`);
  test.skip(line, () => {});
}
