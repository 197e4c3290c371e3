/** Port: traces, as everything of ours sees them. Spans are handed on by value; there is no current span. */

/** Where a trace goes on: the W3C headers `traceparent` and `tracestate`. Empty outside of any trace. */
export interface TraceCarrier {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** Names and values by OpenTelemetry's semantic conventions 1.45. Never a prompt, never a secret. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanOptions {
  readonly kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly attributes?: SpanAttributes;
}

/** A piece of work that takes time. Must be ended. No method of it throws. */
export interface Span {
  /** 32 lower-case hex digits; undefined outside of any trace. */
  readonly traceId: string | undefined;
  /** For the next process. */
  readonly carrier: TraceCarrier;
  child(name: string, options?: SpanOptions): Span;
  set(attributes: SpanAttributes): void;
  /** Only the first call counts. */
  end(outcome?: SpanOutcome): void;
}

/** How work ended that did not go well. */
export interface SpanOutcome {
  /** A word of few values, such as a status code or an error's name. */
  readonly errorType: string;
  /** For a person. */
  readonly message?: string;
}

export interface Tracing {
  /** Begins a span; in the trace of `parent`, or a trace of its own. */
  start(name: string, parent: TraceCarrier, options?: SpanOptions): Span;
  /** Sends what is left, for at most `deadlineMs`. Never rejects. Nothing is recorded afterwards. */
  close(deadlineMs: number): Promise<void>;
}

/** A span outside of any trace, for those who have none to hand on. */
export const NO_SPAN: Span = {
  traceId: undefined,
  carrier: {},
  child: () => NO_SPAN,
  set: () => {},
  end: () => {},
};

/** Does `work` in a child of `parent`, which ends with it. */
export async function traced<T>(
  parent: Span,
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const span = parent.child(name, options);
  try {
    const result = await work(span);
    span.end();
    return result;
  } catch (error) {
    span.end(outcomeOf(error));
    throw error;
  }
}

/** An error as a span tells it. Our errors' messages name no prompts and no secrets; those of others are left out. */
export function outcomeOf(error: unknown): SpanOutcome {
  if (!(error instanceof Error)) return { errorType: typeof error };
  return { errorType: error.name };
}

/** https://www.w3.org/TR/trace-context/#traceparent-header: version, trace id, parent id, flags. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Undefined for what is not a trace context. */
export const traceIdOf = ({ traceparent }: TraceCarrier): string | undefined =>
  TRACEPARENT.exec(traceparent ?? '')?.[1];

/** `trace_id` for a log line, so that logs and traces join; nothing outside of any trace. */
export const traceFacts = ({ traceId }: Pick<Span, 'traceId'>): { trace_id?: string } =>
  traceId === undefined ? {} : { trace_id: traceId };
