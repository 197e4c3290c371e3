/**
 * For CI: real S3 servers, for the suite that holds our local S3 and our adapter against them. Ceph's gateway where
 * there is apt, VersityGW where there is Go. What cannot be had here is skipped with a word; what could and cannot be
 * installed is a failure.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installCephRgw } from './ceph-rgw.mjs';
import { StepFailure } from './command.mjs';
import { installVersityGateway } from './versity-gateway.mjs';

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
for (const install of [installCephRgw, installVersityGateway]) {
  try {
    console.log(await install(root));
  } catch (error) {
    console.error(error instanceof StepFailure ? error.message : error);
    process.exitCode = 1;
  }
}
