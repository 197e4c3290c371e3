import { findVersityGateway } from '../_support/versity-gateway.ts';
import { describeS3Conformance } from './s3-conformance.ts';
import { startVersityGatewayTarget } from './versity-gateway-target.ts';

const binary = findVersityGateway();
const missing =
  binary === undefined
    ? 'not here (node deploy/dev/set-up/s3-servers.mjs builds it where there is Go)'
    : undefined;

describeS3Conformance('VersityGW', () => startVersityGatewayTarget(binary ?? ''), missing);
