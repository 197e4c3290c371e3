import { Client } from 'undici';
import { MAX_XML_BYTES } from '../xml.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
}

export interface HttpResult {
  readonly status: number;
  readonly text: string;
}

/** One small HTTP exchange; rejects when there is no complete answer in time. */
export type HttpFetch = (request: HttpRequest) => Promise<HttpResult>;

/** A connection of its own per exchange: these are minutes apart, and a fresh one means fresh DNS. */
export const httpFetch: HttpFetch = async ({ method, url, headers, body, timeoutMs }) => {
  const client = new Client(url.origin, { connect: { timeout: timeoutMs }, maxResponseSize: MAX_XML_BYTES });
  try {
    const response = await client.request({
      method,
      path: `${url.pathname}${url.search}`,
      headers,
      body: body ?? null,
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.statusCode, text: await response.body.text() };
  } finally {
    await client.destroy();
  }
};
