import type { Row } from '../grafana-panel.ts';
import { quantile, quantiles, rateBy, series } from './expressions.ts';

const OURS = 'grpc_service="sekai.image.v1.ImageGenerationService"';
/** Faults of ours, as the alert SekaiErrorRatioHigh counts them. */
const FAULTS = 'grpc_code=~"Unknown|Internal|Unavailable|DataLoss"';
const handled = (...matchers: readonly string[]): string =>
  `sum(rate(${series('grpc_server_handled_total', OURS, ...matchers)}[$__rate_interval]))`;

export const OVERVIEW_ROW: Row = {
  title: 'At a glance',
  panels: [
    {
      title: 'Calls that end',
      description: 'Per second, whatever their end.',
      unit: 'reqps',
      stat: {},
      queries: [{ expr: handled(), legend: 'calls' }],
    },
    {
      title: 'Error ratio',
      description: 'Calls that fail through our fault, of all calls. Alert above 5 %.',
      unit: 'percentunit',
      stat: { warning: 0.01, bad: 0.05 },
      queries: [{ expr: `${handled(FAULTS)} / ${handled()}`, legend: 'errors' }],
    },
    {
      title: 'Pods with an engine',
      description: 'Services that can make images now.',
      unit: 'short',
      stat: {},
      queries: [{ expr: `sum(${series('sekai_engine_available')})`, legend: 'pods' }],
    },
    {
      title: 'Oldest event',
      description: 'How long the oldest event has waited. Seconds when all is well; alert above 15 min.',
      unit: 's',
      stat: { warning: 300, bad: 900 },
      queries: [{ expr: `max(${series('sekai_archiver_queue_oldest_age_seconds')})`, legend: 'age' }],
    },
    {
      title: 'Fullest spool',
      description: 'Beyond 100 % images are not archived.',
      unit: 'percentunit',
      stat: { warning: 0.5, bad: 0.9 },
      queries: [
        {
          expr: `max(${series('sekai_spool_bytes')} / ${series('sekai_spool_limit_bytes')})`,
          legend: 'full',
        },
      ],
    },
    {
      title: 'Images not archived',
      description:
        'Hand-offs that failed in the time shown: these images are nowhere but with their callers.',
      unit: 'short',
      stat: { bad: 1 },
      queries: [
        { expr: `sum(increase(${series('sekai_handoff_failures_total')}[$__range]))`, legend: 'images' },
      ],
    },
  ],
};

export const CALLS_ROW: Row = {
  title: 'Calls',
  panels: [
    {
      title: 'Calls by status',
      description: 'As their callers got it; Cancelled and DeadlineExceeded are callers that went away.',
      unit: 'reqps',
      stacked: true,
      queries: [
        { expr: `${rateBy('grpc_code', 'grpc_server_handled_total', OURS)} > 0`, legend: '{{grpc_code}}' },
      ],
    },
    {
      title: 'Errors by reason',
      description: 'ErrorInfo.reason of calls that did not end OK.',
      unit: 'reqps',
      stacked: true,
      queries: [{ expr: rateBy('reason', 'sekai_call_errors_total'), legend: '{{reason}}' }],
    },
    {
      title: 'Duration of GenerateImage',
      description: 'From the arrival of a call to its end, delivery included.',
      unit: 's',
      queries: [0.5, 0.95, 0.99].map((q) => ({
        expr: `histogram_quantile(${q}, sum by (le) (rate(${series('grpc_server_handling_seconds_bucket', 'grpc_method="GenerateImage"')}[$__rate_interval])))`,
        legend: `p${q * 100}`,
      })),
    },
    {
      title: 'Calls by caller',
      description: 'The ten busiest.',
      unit: 'reqps',
      queries: [{ expr: `topk(10, ${rateBy('caller', 'sekai_caller_calls_total')})`, legend: '{{caller}}' }],
    },
    {
      title: 'Bytes to callers',
      description: 'Messages, by method.',
      unit: 'Bps',
      queries: [{ expr: rateBy('grpc_method', 'sekai_response_bytes_total'), legend: '{{grpc_method}}' }],
    },
    {
      title: 'Messages',
      description: 'From and to callers. A stream without messages for 5 s would break the contract.',
      unit: 'cps',
      queries: [
        {
          expr: `sum(rate(${series('grpc_server_msg_received_total')}[$__rate_interval]))`,
          legend: 'received',
        },
        { expr: `sum(rate(${series('grpc_server_msg_sent_total')}[$__rate_interval]))`, legend: 'sent' },
      ],
    },
  ],
};

export const GENERATION_ROW: Row = {
  title: 'Generation',
  panels: [
    {
      title: 'Stages, p95',
      description: 'Where a generation spends its time. archive_wait is bounded by HANDOFF_DEADLINE_MS.',
      unit: 's',
      queries: [{ expr: quantile(0.95, 'sekai_generation_stage_seconds', 'stage'), legend: '{{stage}}' }],
    },
    {
      title: 'Until the first image byte',
      description: 'From the checked request.',
      unit: 's',
      queries: quantiles('sekai_generation_first_image_byte_seconds'),
    },
    {
      title: 'Until the first progress',
      description: 'From the checked request.',
      unit: 's',
      queries: quantiles('sekai_generation_first_progress_seconds'),
    },
    {
      title: 'Running and waiting',
      description: 'Generations of all pods. What waits for long wants more engines.',
      unit: 'short',
      queries: [
        { expr: `sum(${series('sekai_generations_running')})`, legend: 'running' },
        { expr: `sum(${series('sekai_generations_queued')})`, legend: 'waiting' },
      ],
    },
    {
      title: 'Bytes held for slow readers',
      description: 'At the limit the engine waits.',
      unit: 'bytes',
      queries: [
        { expr: series('sekai_delivery_bytes'), legend: '{{instance}}' },
        { expr: `min(${series('sekai_delivery_limit_bytes')})`, legend: 'limit' },
      ],
    },
    {
      title: 'Engines',
      description: '1: the pod has an engine that can be used.',
      unit: 'short',
      queries: [{ expr: series('sekai_engine_available'), legend: '{{instance}}' }],
    },
  ],
};
