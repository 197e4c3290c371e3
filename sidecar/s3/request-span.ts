import type { Span } from '../../services/runtime/tracing/tracing.ts';

/**
 * Tells a span of a request. Returns what is to be told of each answer to it.
 * @param url Its query, which may be signed, stays out, as does what is signed in a form or header.
 */
export function requestSpan(span: Span, method: string, url: URL): (statusCode: number) => void {
  let answers = 0;
  span.set({
    'http.request.method': method,
    'url.full': `${url.origin}${url.pathname}`,
    'server.address': url.hostname,
    'server.port': Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
  });
  return (statusCode) => {
    span.set({
      'http.response.status_code': statusCode,
      'http.request.resend_count': answers === 0 ? undefined : answers,
    });
    answers += 1;
  };
}
