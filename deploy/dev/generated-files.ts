import { dashboard } from '../monitoring/dashboard.ts';
import { prometheusRule } from '../monitoring/prometheus-rule.ts';
import { configurationReference } from './configuration-reference.ts';

/** What each committed, generated file must hold, by its path in the repository; test/contract compares. */
export const generatedFiles = (read: (path: string) => string): Readonly<Record<string, string>> => ({
  'deploy/configuration.md': configurationReference(),
  'deploy/monitoring/dashboard.json': `${JSON.stringify(dashboard(), null, 2)}\n`,
  'deploy/monitoring/prometheus-rule.yaml': prometheusRule(read('deploy/monitoring/alerts.yaml')),
});
