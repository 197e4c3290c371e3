import type { Span } from '../../services/runtime/tracing/tracing.ts';

/** Tells a span of the attempts at one request. */
export interface RequestSpan {
  /** One attempt has been answered. */
  answered(statusCode: number): void;
}

/** @param url Without a query: that may be signed. What is signed in a form or header stays out as well. */
export function requestSpan(span: Span, method: string, url: URL): RequestSpan {
  let answers = 0;
  span.set({
    'http.request.method': method,
    'url.full': `${url.origin}${url.pathname}`,
    'server.address': url.hostname,
    'server.port': Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
  });
  return {
    answered(statusCode) {
      span.set({
        'http.response.status_code': statusCode,
        'http.request.resend_count': answers === 0 ? undefined : answers,
      });
      answers += 1;
    },
  };
}
