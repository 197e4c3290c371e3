/** Rules and dashboard in a real Prometheus that scrapes a running stack: nothing asks for what is not there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { ImageEncoding, ResponseFormat } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { dashboardSchema, expressionsOf } from '../_support/grafana-dashboard.ts';
import { findPrometheusTool, type Prometheus, startPrometheus } from '../_support/prometheus.ts';
import { type StackFixture, startStackFixture } from '../_support/stack-fixture.ts';

/** Seconds on a machine at rest. */
const BUSY_MACHINE_MS = 300_000;
const MONITORING = join(import.meta.dirname, '..', '..', 'deploy', 'monitoring');
const RULE_FILE = join(MONITORING, 'alerts.yaml');
/** Far longer than this test: what happened once stays in every rate. */
const RANGE = '5m';

const dashboard = dashboardSchema.parse(JSON.parse(readFileSync(join(MONITORING, 'dashboard.json'), 'utf8')));
const { groups } = parse(readFileSync(RULE_FILE, 'utf8')) as {
  groups: { rules: { alert: string; expr: string }[] }[];
};
const alerts = groups.flatMap(({ rules }) => rules);

const binary = findPrometheusTool('prometheus');
if (binary === undefined) console.log('SKIPPED rules and dashboard in a real Prometheus: there is none here');

describe.skipIf(binary === undefined)('in a real Prometheus', { timeout: BUSY_MACHINE_MS }, () => {
  let stack: StackFixture;
  let prometheus: Prometheus;

  beforeAll(async () => {
    stack = await startStackFixture();
    const { service } = stack.stack;
    const archiver = await stack.archive.archiver.line(({ adminPort }) => adminPort !== undefined);
    const ports = [service.ready, archiver].map(({ adminPort }) => Number(adminPort));
    prometheus = await startPrometheus(binary ?? '', RULE_FILE, ports);
    await vi.waitFor(async () => {
      const health = await prometheus.targets();
      // In the first moment it knows of no target at all.
      const up = health.filter((each) => each === 'up');
      if (up.length < ports.length) throw new Error(`not scraped yet: ${health.join()}`);
    }, WAIT);
    // After the first scrape, so that there is a rate of everything.
    await demoRun(stack);
  }, BUSY_MACHINE_MS);
  afterAll(async () => {
    await prometheus[Symbol.asyncDispose]();
    await stack[Symbol.asyncDispose]();
  });

  test.each(expressionsOf(dashboard, RANGE))('the panel $where has data', async ({ expr }) => {
    await vi.waitFor(async () => {
      const values = (await prometheus.query(expr)).map(({ value }) => value);
      expect(values.length).toBeGreaterThan(0);
      expect(values.filter(Number.isFinite)).toEqual(values);
    }, WAIT);
  });

  test('a panel that asks for a metric of nobody would have none', async () => {
    expect(await prometheus.query('sum(rate(sekai_no_such_metric_total[5m]))')).toEqual([]);
    await expect(prometheus.query('sum(rate(sekai_results_total))')).rejects.toThrow('parse error');
  });

  test('every rule is loaded, is evaluated, and keeps quiet', async () => {
    await vi.waitFor(async () => {
      const rules = await prometheus.rules();
      // Groups come in an order of Prometheus' own.
      const found = rules.map(
        ({ name, health, lastError = '', state }) => `${name} ${health} ${state} ${lastError}`,
      );
      expect(found.toSorted()).toEqual(alerts.map(({ alert }) => `${alert} ok inactive `).toSorted());
    }, WAIT);
  });

  test.each(alerts)('what $alert looks at is there', async ({ expr }) => {
    await vi.waitFor(async () => {
      const found = await Promise.all(
        selectorsOf(expr).map(
          async (selector) => [selector, (await prometheus.query(selector)).length] as const,
        ),
      );
      expect(found.filter(([, samples]) => samples === 0)).toEqual([]);
    }, WAIT);
  });

  test('a broken NATS is noticed', async () => {
    await stack.archive.nats.kill('SIGKILL');
    await stack.generate();
    await vi.waitFor(async () => {
      const rules = await prometheus.rules();
      const pending = rules.filter(({ state }) => state === 'pending').map(({ name }) => name);
      expect(pending).toEqual(expect.arrayContaining(['SekaiHandOffCircuitOpen', 'SekaiNatsDisconnected']));
    }, WAIT);
    await stack.archive.nats.restart();
    await vi.waitFor(async () => {
      const loud = (await prometheus.rules()).filter(({ state }) => state !== 'inactive');
      expect(loud.map(({ name }) => name)).toEqual([]);
    }, WAIT);
  });
});

const WAIT = { timeout: 90_000, interval: 250 };

/** Each kind of call once, and each image archived. */
async function demoRun(stack: StackFixture): Promise<void> {
  await stack.client.getCapabilities();
  const images = [
    await stack.generate(),
    await stack.generate({ imageEncoding: ImageEncoding.IMAGE_ENCODING_PNG }),
    await stack.generate({ responseFormat: ResponseFormat.RESPONSE_FORMAT_S3 }),
  ];
  await expect(stack.generate({ width: 1 })).rejects.toThrow('width');
  for (const { result } of images) await stack.storedPair(result.imageHash);
}

/** The instant selectors of an expression: names of metrics with their matchers. */
const selectorsOf = (expr: string): string[] =>
  expr.match(/\b(?:sekai|grpc_server)_\w+(?:\{[^}]*\})?/g) ?? [];
