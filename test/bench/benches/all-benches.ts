import type { Bench } from '../bench.ts';
import { archiveTax } from './archive-tax.ts';
import { archiver } from './archiver.ts';
import { chunkSize } from './chunk-size.ts';
import { growth } from './growth.ts';
import { memory } from './memory.ts';
import { start } from './start.ts';
import { streaming } from './streaming.ts';
import { threadPool } from './thread-pool.ts';

/** In the order of issue 8. */
export const ALL_BENCHES: readonly Bench[] = [
  streaming,
  chunkSize,
  archiveTax,
  archiver,
  growth,
  start,
  memory,
  threadPool,
];
