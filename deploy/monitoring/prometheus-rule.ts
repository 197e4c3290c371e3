import { parse, stringify } from 'yaml';

const HEAD = '# Made from alerts.yaml by deploy/dev/write-generated.ts. Not to be edited.\n';

/** The rules of a Prometheus as a resource of the Prometheus Operator. */
export function prometheusRule(alerts: string): string {
  const resource = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: {
      name: 'sekai-image',
      labels: { 'app.kubernetes.io/name': 'sekai-image', 'app.kubernetes.io/part-of': 'sekai-image' },
    },
    spec: parse(alerts) as unknown,
  };
  return HEAD + stringify(resource, { lineWidth: 0 });
}
