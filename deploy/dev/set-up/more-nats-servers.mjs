/**
 * For CI: more versions of nats-server under .sekai/, so that the suites run with an old and a current one.
 * What cannot be had here is skipped with a word.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installEveryNatsServer } from './nats-server.mjs';

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
for (const line of await installEveryNatsServer(root)) console.log(line);
