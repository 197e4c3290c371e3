/** Our own load generator as a process, for machines without h2load. Prints its result as JSON. */
import { readFileSync } from 'node:fs';
import type { LoadOptions } from './measure/load-options.ts';
import { generateOwnLoad } from './measure/own-load.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions & { frameFile: string };
process.stdout.write(JSON.stringify(await generateOwnLoad(options, readFileSync(options.frameFile))));
