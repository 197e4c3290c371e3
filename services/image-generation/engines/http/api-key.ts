import { readFile } from 'node:fs/promises';
import { engineError } from './engine-failure.ts';

/** Where the key of an engine comes from. */
export type ApiKeySource =
  | { readonly kind: 'none' }
  | { readonly kind: 'value'; readonly value: string }
  /** Read again for every request: mounted secrets change. */
  | { readonly kind: 'file'; readonly path: string };

/** The key for a request now; undefined when none is needed. @throws {EngineError} FAILED when it cannot be read. */
export type ApiKey = () => Promise<string | undefined>;

export function createApiKey(source: ApiKeySource): ApiKey {
  switch (source.kind) {
    case 'none':
      return async () => undefined;
    case 'value':
      return async () => source.value;
    case 'file':
      return async () => {
        try {
          return (await readFile(source.path, 'utf8')).trim();
        } catch (cause) {
          throw engineError('FAILED', cause);
        }
      };
  }
}
