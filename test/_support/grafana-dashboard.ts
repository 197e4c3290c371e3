/**
 * What Grafana demands of a dashboard, as far as it can be said without Grafana. Fields and values are those of its
 * own description, kinds/dashboard/dashboard_kind.cue and the panels' panelcfg.cue in github.com/grafana/grafana,
 * and of them those that we use: a field that is not listed here is a fault, as Grafana would drop it in silence.
 */
import { z } from 'zod';

const datasource = z.strictObject({ type: z.literal('prometheus'), uid: z.literal('${datasource}') });

/** Panels stand on a grid of 24 columns. */
const gridPos = z
  .strictObject({
    x: z.int().min(0).max(23),
    y: z.int().min(0),
    w: z.int().min(1).max(24),
    h: z.int().min(1),
  })
  .refine(({ x, w }) => x + w <= 24, 'wider than the grid');

const target = z.strictObject({
  refId: z.string().regex(/^[A-Z]$/),
  datasource,
  editorMode: z.enum(['code', 'builder']),
  expr: z.string().min(1),
  legendFormat: z.string().min(1),
  range: z.boolean(),
});

/** Of Grafana's value formats, getCategories() in @grafana/data. */
const unit = z.enum(['short', 's', 'bytes', 'Bps', 'percentunit', 'reqps', 'cps']);

const threshold = z.strictObject({ color: z.string().min(1), value: z.number().nullable() });

const panelBasis = {
  id: z.int().min(1),
  title: z.string().min(1),
  description: z.string().min(1),
  datasource,
  interval: z.string().regex(/^\d+[smh]$/),
  gridPos,
  targets: z
    .array(target)
    .min(1)
    .refine((all) => new Set(all.map(({ refId }) => refId)).size === all.length, 'a refId twice'),
};

const timeseries = z.strictObject({
  ...panelBasis,
  type: z.literal('timeseries'),
  fieldConfig: z.strictObject({
    defaults: z.strictObject({
      unit,
      min: z.number(),
      color: z.strictObject({ mode: z.enum(['palette-classic', 'thresholds', 'fixed']) }),
      custom: z.strictObject({
        drawStyle: z.enum(['line', 'bars', 'points']),
        lineWidth: z.int().min(0).max(10),
        fillOpacity: z.int().min(0).max(100),
        showPoints: z.enum(['auto', 'never', 'always']),
        spanNulls: z.boolean(),
        stacking: z.strictObject({ mode: z.enum(['none', 'normal', 'percent']), group: z.string() }),
      }),
    }),
    overrides: z.tuple([]),
  }),
  options: z.strictObject({
    legend: z.strictObject({
      displayMode: z.enum(['list', 'table', 'hidden']),
      placement: z.enum(['bottom', 'right']),
      showLegend: z.boolean(),
      calcs: z.array(z.string()),
    }),
    tooltip: z.strictObject({
      mode: z.enum(['single', 'multi', 'none']),
      sort: z.enum(['none', 'asc', 'desc']),
    }),
  }),
});

const stat = z.strictObject({
  ...panelBasis,
  type: z.literal('stat'),
  fieldConfig: z.strictObject({
    defaults: z.strictObject({
      unit,
      color: z.strictObject({ mode: z.literal('thresholds') }),
      thresholds: z.strictObject({
        mode: z.enum(['absolute', 'percentage']),
        steps: z.array(threshold).refine(areSteps, 'the first step has no value, the others rise'),
      }),
    }),
    overrides: z.tuple([]),
  }),
  options: z.strictObject({
    colorMode: z.enum(['none', 'value', 'background', 'background_solid']),
    graphMode: z.enum(['none', 'line', 'area']),
    justifyMode: z.enum(['auto', 'center']),
    orientation: z.enum(['auto', 'vertical', 'horizontal']),
    reduceOptions: z.strictObject({
      calcs: z.array(z.enum(['lastNotNull', 'last', 'max', 'mean', 'sum'])).min(1),
      fields: z.string(),
      values: z.boolean(),
    }),
    textMode: z.enum(['auto', 'value', 'value_and_name', 'name', 'none']),
  }),
});

function areSteps(steps: readonly z.output<typeof threshold>[]): boolean {
  const [first, ...others] = steps.map(({ value }) => value);
  return (
    first === null &&
    others.every((value, index) => value !== null && value > (others[index - 1] ?? Number.NEGATIVE_INFINITY))
  );
}

const row = z.strictObject({
  id: z.int().min(1),
  type: z.literal('row'),
  title: z.string().min(1),
  collapsed: z.literal(false),
  gridPos,
  // Panels of an open row stand beside it in the dashboard's list.
  panels: z.tuple([]),
});

const variable = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('datasource'),
    name: z.string().regex(/^\w+$/),
    label: z.string(),
    query: z.literal('prometheus'),
    hide: z.literal([0, 1, 2]),
  }),
  z.strictObject({
    type: z.literal('query'),
    name: z.string().regex(/^\w+$/),
    label: z.string(),
    datasource,
    query: z.strictObject({
      query: z.string().regex(/^label_values\(\w+, \w+\)$/),
      refId: z.string().min(1),
    }),
    // 1: when the dashboard is loaded, 2: when the time range changes.
    refresh: z.literal([1, 2]),
    sort: z.int().min(0).max(8),
    multi: z.boolean(),
    includeAll: z.boolean(),
    allValue: z.string(),
    current: z.strictObject({ text: z.string(), value: z.string() }),
    hide: z.literal([0, 1, 2]),
  }),
]);

export const dashboardSchema = z
  .strictObject({
    uid: z.string().min(8).max(40),
    title: z.string().min(1),
    description: z.string(),
    tags: z.array(z.string()),
    timezone: z.string(),
    editable: z.boolean(),
    graphTooltip: z.literal([0, 1, 2]),
    time: z.strictObject({ from: z.string(), to: z.string() }),
    refresh: z.string().regex(/^\d+[smhd]$/),
    // 39 is Grafana 10.3's to 11's; later ones migrate it themselves.
    schemaVersion: z.literal(39),
    version: z.int().min(1),
    links: z.tuple([]),
    annotations: z.strictObject({ list: z.tuple([]) }),
    templating: z.strictObject({ list: z.array(variable) }),
    panels: z.array(z.discriminatedUnion('type', [row, timeseries, stat])).min(1),
  })
  .superRefine(({ panels, templating }, context) => {
    const fault = (message: string): void => context.addIssue({ code: 'custom', message });
    const ids = panels.map(({ id }) => id);
    if (new Set(ids).size < ids.length) fault('an id twice');
    for (const [index, panel] of panels.entries()) {
      for (const other of panels.slice(0, index)) {
        if (overlap(panel.gridPos, other.gridPos)) fault(`${panel.title} lies on ${other.title}`);
      }
    }
    const known = [...BUILT_IN, ...templating.list.map(({ name }) => name)];
    for (const [, name] of JSON.stringify(panels).matchAll(/\$\{?(\w+)/g)) {
      if (!known.includes(name ?? '')) fault(`$${name} is no variable`);
    }
  });

/** Variables of Grafana's own. */
const BUILT_IN = ['__rate_interval', '__range'];

type Box = z.output<typeof gridPos>;

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

export type Dashboard = z.output<typeof dashboardSchema>;

/** Every query with words that find it, its variables replaced as Grafana does for all namespaces. */
export const expressionsOf = (dashboard: Dashboard, rangeText: string): { where: string; expr: string }[] =>
  dashboard.panels.flatMap((panel) =>
    panel.type === 'row'
      ? []
      : panel.targets.map(({ refId, expr }) => ({
          where: `${panel.title} ${refId}`,
          expr: expr
            .replaceAll('$__rate_interval', rangeText)
            .replaceAll('$__range', rangeText)
            .replaceAll('$namespace', '.*'),
        })),
  );
