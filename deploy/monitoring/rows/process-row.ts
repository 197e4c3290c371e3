import type { Row } from '../grafana-panel.ts';
import { series } from './expressions.ts';

/** Node's own metrics have names that other programs use too: only those of our processes. */
const ofOurs = (expr: string): string =>
  `${expr} and on (job, instance) (${series('sekai_generations_running')} or ${series('sekai_archiver_in_flight')})`;

export const PROCESS_ROW: Row = {
  title: 'Processes',
  panels: [
    {
      title: 'Memory',
      description:
        'Resident. Service: 450 MB and 1.5 × the bytes held for readers; archiver: 150 MB and what is in hand.',
      unit: 'bytes',
      queries: [{ expr: ofOurs(series('process_resident_memory_bytes')), legend: '{{instance}}' }],
    },
    {
      title: 'CPU',
      description: 'Cores used.',
      unit: 'short',
      queries: [
        {
          expr: ofOurs(`rate(${series('process_cpu_seconds_total')}[$__rate_interval])`),
          legend: '{{instance}}',
        },
      ],
    },
    {
      title: 'Event loop lag, p99',
      description: 'Above 0.1 s something blocks.',
      unit: 's',
      queries: [{ expr: ofOurs(series('nodejs_eventloop_lag_p99_seconds')), legend: '{{instance}}' }],
    },
  ],
};
