import { Counter, Histogram, type Registry } from 'prom-client';
import { GENERATION_STAGES, type GenerationObserver } from '../generation-observer.ts';

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120];
const ARCHIVE_STATES = ['disabled', 'spooled', 'queued', 'stored', 'failed'] as const;

export function createGenerationMetrics(registry: Registry): GenerationObserver {
  const histogram = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Histogram<L>({ name, help, labelNames, buckets: BUCKETS, registers: [registry] });
  const progress = histogram(
    'sekai_generation_first_progress_seconds',
    'Time from the checked request to its first progress',
  );
  const byte = histogram(
    'sekai_generation_first_image_byte_seconds',
    'Time from the checked request to its first image byte',
  );
  const stages = histogram('sekai_generation_stage_seconds', 'Time spent in a stage of a generation', [
    'stage',
  ]);
  const results = new Counter({
    name: 'sekai_results_total',
    help: 'Results given to callers, by the archive state they tell',
    labelNames: ['archive_state'],
    registers: [registry],
  });
  for (const stage of GENERATION_STAGES) stages.zero({ stage });
  for (const state of ARCHIVE_STATES) results.inc({ archive_state: state }, 0);
  return {
    firstProgress: (ms) => progress.observe(ms / 1_000),
    firstImageByte: (ms) => byte.observe(ms / 1_000),
    spent: (stage, ms) => stages.observe({ stage }, ms / 1_000),
    result: (state) => results.inc({ archive_state: state }),
  };
}
