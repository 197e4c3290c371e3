import type { Row } from '../grafana-panel.ts';
import { quantiles, rateBy, series } from './expressions.ts';

export const HAND_OFF_ROW: Row = {
  title: 'Hand-off and spool',
  panels: [
    {
      title: 'Results by archive state',
      description: 'What callers were told. failed: not archived; spooled: safe once NATS is back.',
      unit: 'cps',
      stacked: true,
      queries: [{ expr: rateBy('archive_state', 'sekai_results_total'), legend: '{{archive_state}}' }],
    },
    {
      title: 'Hand-offs that ended',
      description: 'Acknowledged by JetStream, failed, and attempts that are repeated.',
      unit: 'cps',
      queries: [
        { expr: rateBy('archive_state', 'sekai_handoffs_total'), legend: '{{archive_state}}' },
        {
          expr: `sum(rate(${series('sekai_handoff_failed_attempts_total')}[$__rate_interval]))`,
          legend: 'failed attempts',
        },
      ],
    },
    {
      title: 'Duration of hand-offs',
      description: 'Until JetStream acknowledged, time in the spool included.',
      unit: 's',
      queries: quantiles('sekai_handoff_seconds'),
    },
    {
      title: 'Bytes in the spool',
      description: 'Per pod. Nearly none while NATS is well.',
      unit: 'bytes',
      queries: [
        { expr: series('sekai_spool_bytes'), legend: '{{instance}}' },
        { expr: `min(${series('sekai_spool_limit_bytes')})`, legend: 'limit' },
      ],
    },
    {
      title: 'Spooled hand-offs',
      description: 'Not acknowledged yet; and files, of which a restarted service finds some more.',
      unit: 'short',
      queries: [
        { expr: `sum(${series('sekai_spool_handoffs')})`, legend: 'hand-offs' },
        { expr: `sum(${series('sekai_spool_files')})`, legend: 'files' },
      ],
    },
    {
      title: 'Oldest hand-off in a spool',
      description: 'It is lost if its pod is.',
      unit: 's',
      queries: [{ expr: series('sekai_spool_oldest_age_seconds'), legend: '{{instance}}' }],
    },
    {
      title: 'Connected to NATS',
      description: '1 while connected.',
      unit: 'short',
      queries: [
        { expr: series('sekai_nats_connected'), legend: 'service {{instance}}' },
        { expr: series('sekai_archiver_nats_connected'), legend: 'archiver {{instance}}' },
      ],
    },
    {
      title: 'Open circuits and breakers',
      description: '1: the service does not wait for NATS, or the archiver keeps work from a faulty bucket.',
      unit: 'short',
      queries: [
        { expr: series('sekai_handoff_circuit_open'), legend: 'NATS {{instance}}' },
        { expr: series('sekai_archiver_breaker_open'), legend: 'bucket {{instance}}' },
      ],
    },
  ],
};

export const ARCHIVE_ROW: Row = {
  title: 'Archive',
  panels: [
    {
      title: 'Pairs archived',
      description: 'duplicate: there was nothing to do.',
      unit: 'cps',
      stacked: true,
      queries: [{ expr: rateBy('result', 'sekai_archiver_pairs_total'), legend: '{{result}}' }],
    },
    {
      title: 'Queue',
      description: 'Events of all pods. held or in retry: given to an archiver and not acknowledged.',
      unit: 'short',
      queries: [
        { expr: `max(${series('sekai_archiver_queue_events')})`, legend: 'events' },
        { expr: `max(${series('sekai_archiver_queue_pending')})`, legend: 'not delivered' },
        { expr: `max(${series('sekai_archiver_queue_ack_pending')})`, legend: 'held or in retry' },
      ],
    },
    {
      title: 'Age of the oldest event',
      description: 'Chunks of large images expire after 7 days.',
      unit: 's',
      queries: [{ expr: `max(${series('sekai_archiver_queue_oldest_age_seconds')})`, legend: 'age' }],
    },
    {
      title: 'Bytes in the queue',
      description: 'Of events; the stream takes 8 GiB. Chunks are apart.',
      unit: 'bytes',
      queries: [{ expr: `max(${series('sekai_archiver_queue_bytes')})`, legend: 'events' }],
    },
    {
      title: 'From hand-off to archived',
      description: 'By the clocks of two hosts.',
      unit: 's',
      queries: quantiles('sekai_archiver_lag_seconds'),
    },
    {
      title: 'Duration of uploads',
      description: 'One object; a pair has two.',
      unit: 's',
      queries: quantiles('sekai_archiver_upload_seconds'),
    },
    {
      title: 'Bytes stored',
      description: 'Images and records.',
      unit: 'Bps',
      queries: [
        {
          expr: `sum(rate(${series('sekai_archiver_uploaded_bytes_total')}[$__rate_interval]))`,
          legend: 'stored',
        },
      ],
    },
    {
      title: 'Faults of the bucket',
      description: 'By kind; deploy/runbook.md says what each means. Events stay queued.',
      unit: 'cps',
      queries: [{ expr: rateBy('kind', 'sekai_archiver_target_faults_total'), legend: '{{kind}}' }],
    },
    {
      title: 'Events given back',
      description: 'By reason; they come again.',
      unit: 'cps',
      queries: [{ expr: rateBy('class', 'sekai_archiver_retries_total'), legend: '{{class}}' }],
    },
    {
      title: 'Dead letters',
      description:
        'In the time shown, by reason. They wait for an operator: sekai-archive dead-letters list.',
      unit: 'short',
      queries: [
        {
          expr: `sum by (reason) (increase(${series('sekai_archiver_dead_letters_total')}[$__range]))`,
          legend: '{{reason}}',
        },
      ],
    },
    {
      title: 'In hand',
      description: 'Bytes of pairs that archivers hold; each at most ARCHIVER_MAX_BYTES_IN_FLIGHT.',
      unit: 'bytes',
      queries: [{ expr: series('sekai_archiver_bytes_in_flight'), legend: '{{instance}}' }],
    },
    {
      title: 'Events in hand',
      description:
        'Each archiver at most twice ARCHIVER_CONCURRENCY: those being uploaded, and those looked up meanwhile.',
      unit: 'short',
      queries: [{ expr: series('sekai_archiver_in_flight'), legend: '{{instance}}' }],
    },
    {
      title: 'Since the last pair',
      description: 'Per archiver; without traffic it grows.',
      unit: 's',
      queries: [
        {
          expr: `time() - (${series('sekai_archiver_last_success_timestamp_seconds')} > 0)`,
          legend: '{{instance}}',
        },
      ],
    },
    {
      title: 'Download links',
      description: 'Requests for links, by answer.',
      unit: 'cps',
      queries: [{ expr: rateBy('result', 'sekai_archiver_links_total'), legend: '{{result}}' }],
    },
    {
      title: 'Repairs',
      description: 'In the time shown: rebuilt consumers (old nats-server), and left-over chunks purged.',
      unit: 'short',
      queries: [
        {
          expr: `sum(increase(${series('sekai_archiver_consumer_rebuilt_total')}[$__range]))`,
          legend: 'consumer rebuilt',
        },
        {
          expr: `sum(increase(${series('sekai_archiver_orphaned_images_purged_total')}[$__range]))`,
          legend: 'images whose chunks were purged',
        },
      ],
    },
  ],
};
