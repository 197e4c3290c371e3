import type { Logger } from '../logger.ts';
import { passingTracing } from './passing-tracing.ts';
import type { Tracing } from './tracing.ts';
import type { TracingConfig } from './tracing-config.ts';

/** Traces as configured. Without a collector OpenTelemetry is not even loaded (its modules take 0.4 s, measured). */
export async function openTracing(config: TracingConfig | undefined, logger: Logger): Promise<Tracing> {
  if (config === undefined) return passingTracing;
  const { startOtelTracing } = await import('./otel-tracing.ts');
  return startOtelTracing(config, logger);
}
