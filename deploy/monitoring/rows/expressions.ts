/** PromQL of the panels. Every selector keeps to the namespaces that were chosen. */

/** The series of a metric; `matchers` such as `result="uploaded"`. */
export const series = (metric: string, ...matchers: readonly string[]): string =>
  `${metric}{${['namespace=~"$namespace"', ...matchers].join(',')}}`;

export const rate = (metric: string, ...matchers: readonly string[]): string =>
  `rate(${series(metric, ...matchers)}[$__rate_interval])`;

/** Per second, summed over all but `by`. */
export const rateBy = (by: string, metric: string, ...matchers: readonly string[]): string =>
  `sum by (${by}) (${rate(metric, ...matchers)})`;

/** A quantile of a histogram, by its name without `_bucket`. */
export const quantile = (q: number, histogram: string, by = ''): string =>
  `histogram_quantile(${q}, sum by (le${by === '' ? '' : `, ${by}`}) (${rate(`${histogram}_bucket`)}))`;

/** Half, most and nearly all of a histogram. */
export const quantiles = (histogram: string): { expr: string; legend: string }[] =>
  [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q, histogram), legend: `p${q * 100}` }));
