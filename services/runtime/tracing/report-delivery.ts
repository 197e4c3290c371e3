import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Logger } from '../logger.ts';

/**
 * An exporter that says when traces cannot be delivered: one line, however often it is tried, and one when they can
 * again. The library would tell a global handler of each failure.
 */
export function reportDelivery(exporter: SpanExporter, endpoint: string, logger: Logger): SpanExporter {
  let failing = false;
  let lostSpans = 0;
  const collector = withoutLogin(endpoint);
  const heard = (spans: readonly ReadableSpan[], { code, error }: ExportResult): void => {
    if (code !== ExportResultCode.SUCCESS) {
      lostSpans += spans.length;
      // Of the error only the message: it may hold what the collector answered.
      const reason = error?.message.slice(0, 200);
      if (!failing) logger.warn({ collector, reason }, 'traces cannot be delivered; they are dropped');
      failing = true;
    } else if (failing) {
      logger.info({ collector, lostSpans }, 'traces are delivered again');
      failing = false;
    }
  };
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        heard(spans, result);
        done({ code: ExportResultCode.SUCCESS });
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}

function withoutLogin(endpoint: string): string {
  const { origin, pathname } = new URL(endpoint);
  return `${origin}${pathname}`;
}
