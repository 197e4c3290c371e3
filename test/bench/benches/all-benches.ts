import type { Bench } from '../bench.ts';
import { streaming } from './streaming.ts';

/** In the order of issue 8. */
export const ALL_BENCHES: readonly Bench[] = [streaming];
