/** The Grafana dashboard of service and archiver. dashboard.json is made from it. */
import { DATASOURCE, layOut, type Row } from './grafana-panel.ts';
import { ARCHIVE_ROW, HAND_OFF_ROW } from './rows/archive-rows.ts';
import { PROCESS_ROW } from './rows/process-row.ts';
import { CALLS_ROW, GENERATION_ROW, OVERVIEW_ROW } from './rows/service-rows.ts';

export const ROWS: readonly Row[] = [
  OVERVIEW_ROW,
  CALLS_ROW,
  GENERATION_ROW,
  HAND_OFF_ROW,
  ARCHIVE_ROW,
  PROCESS_ROW,
];

/** What Grafana 10 and later read. */
export const dashboard = (): object => ({
  uid: 'sekai-image',
  title: 'Sekai Image',
  description: 'Image service and archiver. Metrics: deploy/monitoring/README.md; alerts: deploy/runbook.md.',
  tags: ['sekai-image'],
  timezone: 'browser',
  editable: true,
  graphTooltip: 1,
  time: { from: 'now-6h', to: 'now' },
  refresh: '30s',
  schemaVersion: 39,
  version: 1,
  links: [],
  annotations: { list: [] },
  templating: { list: VARIABLES },
  panels: layOut(ROWS),
});

const VARIABLES = [
  { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', hide: 0 },
  {
    name: 'namespace',
    label: 'Namespace',
    type: 'query',
    datasource: DATASOURCE,
    query: { query: 'label_values(sekai_generations_running, namespace)', refId: 'namespaces' },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    // Also series that have no such label: a stack outside Kubernetes.
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
    hide: 0,
  },
];
