import { createHash, randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { Writable } from 'node:stream';
import { createLogger } from '../../../services/runtime/logger.ts';
import { type StoredObject, TargetFault } from '../../object-store.ts';
import { staticProvider } from '../credentials/credential-provider.ts';
import { createS3ObjectStore, type S3ObjectStore, type S3ObjectStoreOptions } from '../s3-object-store.ts';
import { type ScriptedStore, startScriptedStore, type Step } from './scripted-store.ts';

export const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'SECRETKEYEXAMPLE' };
export const temporary = { ...credentials, sessionToken: 'TOKENEXAMPLE' };
export const never: AbortSignal = new AbortController().signal;
setMaxListeners(0, never);
export const key = `customers/output-${'a'.repeat(64)}.jpg`;

/** What the running test has opened; its log lines. */
export const opened: { store?: S3ObjectStore; server?: ScriptedStore; log: string } = { log: '' };

/** Closes what {@link storeOver} opened; for afterEach. */
export async function closeOpened(): Promise<void> {
  await opened.store?.close(0);
  await opened.server?.close();
}

/** A store over a server that does `steps`, with quick retries. */
export async function storeOver(
  steps: readonly Step[],
  options: Partial<S3ObjectStoreOptions> = {},
  config: Partial<S3ObjectStoreOptions['config']> = {},
) {
  const server = await startScriptedStore(...steps);
  opened.log = '';
  const destination = new Writable({
    write(chunk: Buffer, _, done) {
      opened.log += chunk.toString();
      done();
    },
  });
  const store = createS3ObjectStore({
    config: {
      endpoint: server.url,
      region: 'us-east-1',
      bucket: 'pairs',
      prefix: 'customers/',
      objectAcl: 'private',
      checksum: 'sha256',
      addressing: 'auto',
      ...config,
    },
    credentials: staticProvider(credentials),
    logger: createLogger('test', 'debug', destination),
    pauses: { baseMs: 1, throttledBaseMs: 1 },
    ...options,
  });
  opened.server = server;
  opened.store = store;
  return { server, store };
}

/** An object of random bytes. */
export function objectOf(body: Uint8Array = randomBytes(1000)): StoredObject {
  const sha256 = createHash('sha256').update(body).digest();
  return { key, body, contentType: 'image/jpeg', sha256, metadata: { 'request-id': 'r-1' } };
}

/** Reads a body to its end. */
export async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of body);
}

/** The TargetFault that a call ends with. */
export async function faultOf(promise: Promise<unknown>): Promise<TargetFault> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof TargetFault) return error;
  throw new Error('the call did not end with a TargetFault', { cause: error });
}
