import type { AddFault, RemoteEngineConfig } from '../config.ts';

/** Jobs at once at one engine: overlapping calls are undefined behaviour there (SD.Next's author, A1111 issue 7723). */
export const SDAPI_CAPACITY = 1;

export interface SdapiConfig extends RemoteEngineConfig {
  readonly kind: 'sdapi';
}

/** @param add Takes what does not fit together. */
export function sdapiConfig(remote: RemoteEngineConfig, add: AddFault): SdapiConfig {
  const most = remote.urls.length * SDAPI_CAPACITY;
  if (most > 0 && remote.concurrency !== undefined && remote.concurrency > most) {
    const expected = `at most ${most}: one generation at once for each of ENGINE_URLS`;
    add('ENGINE_CONCURRENCY', expected, String(remote.concurrency));
  }
  return { kind: 'sdapi', ...remote };
}
