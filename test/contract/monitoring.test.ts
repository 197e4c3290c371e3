/** Alerts and dashboard against the metrics, the runbook and Grafana's rules. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createCallNotebook } from '../../services/image-generation/grpc/call-notes.ts';
import { createMetrics } from '../../services/image-generation/metrics.ts';
import { createArchiverMetrics } from '../../sidecar/archiver-metrics.ts';
import { archiveStreams } from '../../sidecar/jetstream/topology.ts';
import { dashboardSchema, expressionsOf } from '../_support/grafana-dashboard.ts';
import { findPrometheusTool, SCRATCH } from '../_support/prometheus.ts';

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface AlertTest {
  readonly alertname: string;
  readonly exp_alerts: readonly unknown[];
}

/** Seconds on a machine at rest. */
const BUSY_MACHINE_MS = 300_000;
const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const groups = (parse(read('deploy/monitoring/alerts.yaml')) as { groups: { rules: Alert[] }[] }).groups;
const alerts = groups.flatMap(({ rules }) => rules);
const json = read('deploy/monitoring/dashboard.json');
const dashboard = dashboardSchema.parse(JSON.parse(json));

const METRIC_ROW = /^\| `(\w+)` \| (?:counter|gauge|histogram) \|/gm;

/** Names that the two processes expose, those of a histogram's series included. */
const exposed = await (async () => {
  const service = createMetrics(createCallNotebook()).registry.metrics();
  const text = `${await service}\n${await createArchiverMetrics().registry.metrics()}`;
  const documented = [...read('deploy/monitoring/README.md').matchAll(METRIC_ROW)].map((row) => row[1]);
  const types = [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)];
  const histograms = types.filter(([, , type]) => type === 'histogram').map(([, name]) => name);
  return new Set([
    ...types.map(([, name]) => name),
    ...documented,
    ...histograms.flatMap((name) => [`${name}_bucket`, `${name}_sum`, `${name}_count`]),
  ]);
})();

/** Metrics of an expression: words with the prefixes that ours and Node's have. */
const metricsOf = (expr: string): string[] => expr.match(/\b(?:sekai|grpc_server|nodejs|process)_\w+/g) ?? [];

test('there is something to check', () => {
  expect(alerts.length).toBeGreaterThan(15);
  expect(expressionsOf(dashboard, '5m').length).toBeGreaterThan(40);
  expect(metricsOf('sum(rate(sekai_results_total{a="b"}[5m]))')).toEqual(['sekai_results_total']);
});

describe('metrics are there', () => {
  const queries = expressionsOf(dashboard, '5m').map(({ where, expr }) => [where, expr] as const);
  test.each([...alerts.map(({ alert, expr }) => [alert, expr] as const), ...queries])('for %s', (_, expr) => {
    const names = metricsOf(expr);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !exposed.has(name))).toEqual([]);
  });
});

test('every metric of ours is on the dashboard or in an alert', () => {
  const used = [...alerts, ...expressionsOf(dashboard, '5m')].flatMap(({ expr }) => metricsOf(expr));
  const families = new Set(used.map((name) => name.replace(/_(?:bucket|sum|count)$/, '')));
  const documented = [...read('deploy/monitoring/README.md').matchAll(METRIC_ROW)].map((row) => row[1]);
  // grpc_server_started_total is for dashboards that exist elsewhere; handled_total says more.
  const unused = documented.filter((name) => !families.has(name ?? ''));
  expect(unused).toEqual(['grpc_server_started_total']);
});

describe('alerts', () => {
  const runbook = read('deploy/runbook.md');
  /** As forges make them of headings. */
  const anchors = [...runbook.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );

  test.each(alerts)('$alert says how urgent it is, what it is, and where to read on', (alert) => {
    expect(alert.alert).toMatch(/^Sekai[A-Z]\w+$/);
    expect(['warning', 'critical']).toContain(alert.labels['severity']);
    expect(Object.keys(alert.annotations)).toEqual(['summary', 'description', 'runbook_url']);
    const [file, anchor] = alert.annotations['runbook_url']?.split('#') ?? [];
    expect(file).toMatch(/\/deploy\/runbook\.md$/);
    expect(anchor).toBe(alert.alert.toLowerCase());
    expect(anchors.filter((each) => each === anchor)).toHaveLength(1);
  });

  test('the runbook has no entry for an alert that is no more', () => {
    const entries = [...runbook.matchAll(/^### (Sekai\w+)$/gm)].map(([, name = '']) => name);
    expect(entries.toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted());
  });

  test('know the limits of the streams', () => {
    const limitOf = (name: string): number => {
      const { expr } = alerts.find(({ alert }) => alert === name) ?? { expr: '' };
      return Number(/> (\d+)$/.exec(expr)?.[1]);
    };
    const [events, blobs] = ['SEKAI_ARCHIVE', 'SEKAI_ARCHIVE_BLOBS'].map((stream) =>
      archiveStreams(1).find(({ name }) => name === stream),
    );
    expect(limitOf('SekaiBlobsNearMaxAge')).toBe(Number(blobs?.max_age) / 1e9 / 2);
    expect(limitOf('SekaiQueueFilling')).toBe(Math.round(Number(events?.max_bytes) * 0.7));
  });

  test('each has been shown silent and firing', () => {
    const { tests } = parse(read('deploy/monitoring/alerts.test.yaml')) as {
      tests: { alert_rule_test: AlertTest[] }[];
    };
    const cases = tests.flatMap(({ alert_rule_test: all }) => all);
    const shown = (fires: boolean): string[] =>
      cases
        .filter(({ exp_alerts: expected }) => expected.length > 0 === fires)
        .map(({ alertname }) => alertname);
    const names = alerts.map(({ alert }) => alert);
    expect(names.filter((name) => !shown(false).includes(name))).toEqual([]);
    expect(names.filter((name) => !shown(true).includes(name))).toEqual([]);
  });

  const promtool = findPrometheusTool('promtool');
  if (promtool === undefined) console.log('SKIPPED unit tests of the alerts: no promtool on this machine');

  test.skipIf(promtool === undefined)(
    'pass their unit tests',
    () => {
      const run = (...args: string[]): string =>
        execFileSync(promtool ?? '', args, {
          cwd: join(root, 'deploy', 'monitoring'),
          encoding: 'utf8',
          env: { ...process.env, TMPDIR: SCRATCH },
        });
      expect(run('check', 'rules', 'alerts.yaml')).toContain(`SUCCESS: ${alerts.length} rules found`);
      expect(run('test', 'rules', 'alerts.test.yaml')).toContain('SUCCESS');
    },
    BUSY_MACHINE_MS,
  );
});

describe('the dashboard check sees', () => {
  const [first, second] = dashboard.panels.filter(({ type }) => type !== 'row');
  const at = (panel = first): string => JSON.stringify(panel?.gridPos);
  const compact = JSON.stringify(JSON.parse(json));

  test.each<[string, string, string]>([
    ['an id twice', `"id":${second?.id},`, `"id":${first?.id},`],
    ['panels that overlap', `"gridPos":${at(second)}`, `"gridPos":${at(first)}`],
    ['a panel beyond the grid', `"gridPos":${at()}`, '"gridPos":{"x":22,"y":1,"w":4,"h":4}'],
    ['a refId twice', '"refId":"B"', '"refId":"A"'],
    ['a panel of a type that is not known', '"type":"stat"', '"type":"statistics"'],
    ['a unit that is not known', '"unit":"reqps"', '"unit":"calls"'],
    ['a datasource of one machine', '"uid":"${datasource}"', '"uid":"P1809F7CD0C75ACF3"'],
    ['a variable that nobody declared', 'namespace=~\\"$namespace\\"', 'namespace=~\\"$ns\\"'],
    ['a field that Grafana does not know', '"fillOpacity":', '"fillOpacty":'],
    ['thresholds that fall', '"value":0.01', '"value":0.5'],
    ['no expression', '"expr":"sum(', '"expression":"sum('],
  ])('%s', (_, from, to) => {
    expect(dashboardSchema.safeParse(JSON.parse(compact)).success).toBe(true);
    expect(compact).toContain(from);
    expect(dashboardSchema.safeParse(JSON.parse(compact.replace(from, to))).success).toBe(false);
  });
});
