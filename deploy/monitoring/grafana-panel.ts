/** The panels we use of Grafana's dashboard model, and where they stand on its grid of 24 columns. */

/** One query of a panel. */
export interface Query {
  readonly expr: string;
  /** Name of its series, such as `{{grpc_code}}`. */
  readonly legend: string;
}

export interface PanelPlan {
  readonly title: string;
  /** What it shows and what is good, one or two sentences. */
  readonly description: string;
  /** A unit of Grafana's, such as `s` or `bytes`. */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** A figure instead of a curve; from the thresholds on it is yellow and red. */
  readonly stat?: { readonly warning?: number; readonly bad?: number };
  /** Curves stand on each other. */
  readonly stacked?: boolean;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly PanelPlan[];
}

/** The dashboard's own variable: whoever looks chooses the Prometheus. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

const COLUMNS = 24;
const STAT = { w: 4, h: 4 } as const;
const CURVE = { w: 8, h: 8 } as const;

/** Rows and panels with ids and places, as a dashboard lists them. */
export function layOut(rows: readonly Row[]): object[] {
  let [id, y] = [1, 0];
  return rows.flatMap(({ title, panels }) => {
    const row = { id: id++, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: COLUMNS, h: 1 } };
    y += 1;
    let [x, lineHeight] = [0, 0];
    const placed = panels.map((plan) => {
      const { w, h } = plan.stat === undefined ? CURVE : STAT;
      if (x + w > COLUMNS) [x, y, lineHeight] = [0, y + lineHeight, 0];
      const gridPos = { x, y, w, h };
      x += w;
      lineHeight = Math.max(lineHeight, h);
      return { id: id++, ...panel(plan), gridPos };
    });
    y += lineHeight;
    return [{ ...row, panels: [] }, ...placed];
  });
}

function panel(plan: PanelPlan): object {
  const { title, description, queries } = plan;
  return {
    type: plan.stat === undefined ? 'timeseries' : 'stat',
    title,
    description,
    datasource: DATASOURCE,
    // Not finer than the scrapes, so that $__rate_interval spans some.
    interval: '15s',
    ...(plan.stat === undefined ? curve(plan) : figure(plan, plan.stat)),
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource: DATASOURCE,
      editorMode: 'code',
      expr,
      legendFormat: legend,
      range: true,
    })),
  };
}

const curve = ({ unit, stacked = false }: PanelPlan): object => ({
  fieldConfig: {
    defaults: {
      unit,
      min: 0,
      color: { mode: 'palette-classic' },
      custom: {
        drawStyle: 'line',
        lineWidth: 1,
        fillOpacity: stacked ? 25 : 5,
        showPoints: 'never',
        spanNulls: false,
        stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
      },
    },
    overrides: [],
  },
  options: {
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
});

const figure = ({ unit }: PanelPlan, { warning, bad }: NonNullable<PanelPlan['stat']>): object => ({
  fieldConfig: {
    defaults: {
      unit,
      color: { mode: 'thresholds' },
      thresholds: {
        mode: 'absolute',
        // The first step has no lower end.
        steps: [
          { color: 'green', value: null },
          ...(warning === undefined ? [] : [{ color: 'yellow', value: warning }]),
          ...(bad === undefined ? [] : [{ color: 'red', value: bad }]),
        ],
      },
    },
    overrides: [],
  },
  options: {
    colorMode: 'value',
    graphMode: 'area',
    justifyMode: 'auto',
    orientation: 'auto',
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    textMode: 'auto',
  },
});
