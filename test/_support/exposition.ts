/** Reads Prometheus text, strictly: what a scraper would refuse or silently drop is an error here. */

export interface Exposition {
  /** `name{label="value",…}` with labels in the order given, to its value. */
  readonly series: ReadonlyMap<string, number>;
  /** The value of one series; labels in any order. @throws {Error} when there is no such series. */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
  /** Series of one name that are not 0: the values of `label` to the sums over all other labels. */
  by(name: string, label: string): Record<string, number>;
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;

/** Scrapes an admin server. */
export async function scrape(adminPort: number): Promise<Exposition> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
  if (response.status !== 200) throw new Error(`/metrics answers ${response.status}`);
  return readExposition(await response.text());
}

/** @throws {Error} naming the line. */
export function readExposition(text: string): Exposition {
  if (!text.endsWith('\n')) throw new Error('no newline at the end');
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  const series = new Map<string, number>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
    if (type?.[1] !== undefined && type[2] !== undefined) {
      if (types.has(type[1])) throw new Error(`second TYPE: ${line}`);
      types.set(type[1], type[2]);
    } else if (!line.startsWith('# HELP ')) {
      const sample = readSample(line);
      const key = line.slice(0, line.lastIndexOf(' '));
      if (series.has(key)) throw new Error(`series twice: ${line}`);
      series.set(key, sample.value);
      samples.push(sample);
    }
  }
  for (const sample of samples) checkFamily(sample, types);
  for (const [name, type] of types) if (type === 'histogram') checkHistogram(name, samples);
  return { series, ...access(samples) };
}

function readSample(line: string): Sample {
  const [, name, labelText = '', valueText] = SAMPLE.exec(line) ?? [];
  if (name === undefined || valueText === undefined) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  let at = 0;
  while (at < labelText.length) {
    LABEL.lastIndex = at;
    const [whole, label, value] = LABEL.exec(labelText) ?? [];
    if (whole === undefined || label === undefined || value === undefined) throw new Error(`labels: ${line}`);
    if (label in labels) throw new Error(`label twice: ${line}`);
    labels[label] = value;
    at += whole.length;
  }
  const value = valueText === '+Inf' ? Infinity : Number(valueText);
  if (Number.isNaN(value) && valueText !== 'Nan' && valueText !== 'NaN') throw new Error(`value: ${line}`);
  return { name, labels, value };
}

/** Ours also keep to the naming rules: counters end in _total, and nothing else does. */
function checkFamily({ name, value }: Sample, types: ReadonlyMap<string, string>): void {
  const family = types.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '');
  const type = types.get(family);
  if (type === undefined) throw new Error(`no TYPE: ${name}`);
  if (type === 'counter' && value < 0) throw new Error(`negative counter: ${name}`);
  if (!/^(?:sekai|grpc)_/.test(name)) return;
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`${type} with the name ${name}`);
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  for (const [key, group] of groupBy(buckets, ({ labels }) => groupOf(labels))) {
    let below = 0;
    for (const { value } of group) {
      if (value < below) throw new Error(`buckets of ${name} fall`);
      below = value;
    }
    if (group.at(-1)?.labels['le'] !== '+Inf') throw new Error(`no last bucket: ${name}`);
    const count = samples.find((sample) => sample.name === `${name}_count` && groupOf(sample.labels) === key);
    if (count?.value !== below) throw new Error(`count of ${name}{${key}} is ${count?.value}, not ${below}`);
  }
}

function groupBy<T>(items: Iterable<T>, keyOfItem: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOfItem(item), [...(groups.get(keyOfItem(item)) ?? []), item]);
  return groups;
}

/** Labels in an order of their own; of all buckets of a histogram the same. */
const groupOf = ({ le: _le, ...labels }: Readonly<Record<string, string>>): string => keyOf(labels);

const keyOf = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join();

const access = (samples: readonly Sample[]): Pick<Exposition, 'value' | 'by'> => ({
  value: (name, labels = {}) => {
    const found = samples.find((sample) => sample.name === name && keyOf(sample.labels) === keyOf(labels));
    if (found === undefined) throw new Error(`no series ${name}{${keyOf(labels)}}`);
    return found.value;
  },
  by: (name, label) => {
    const sums: Record<string, number> = {};
    for (const sample of samples) {
      const of = sample.labels[label];
      if (sample.name !== name || of === undefined || sample.value === 0) continue;
      sums[of] = (sums[of] ?? 0) + sample.value;
    }
    return sums;
  },
});
