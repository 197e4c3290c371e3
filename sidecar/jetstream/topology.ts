/** The streams, the KV bucket and the consumer of deploy/nats/. */
import { readFileSync } from 'node:fs';
import type { ConsumerConfig, JetStreamManager, StreamConfig } from 'nats';
import { STREAM_EVENTS } from '../../proto/archive-event.ts';
import { isApiError, JS_CONSUMER_NOT_FOUND, JS_STREAM_NOT_FOUND } from './errors.ts';

export interface TopologyOptions {
  /** Copies of every stream, 1 to 5. */
  readonly replicas: number;
  /** Hears of each existing stream or consumer that differs from its file; it is left as it is. */
  readonly onMismatch: (name: string, differences: readonly string[]) => void;
}

// The same relative path holds in the source tree and in dist/.
const read = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../deploy/nats/${file}`, import.meta.url), 'utf8'));

/** The streams as deploy/nats/ describes them, the KV bucket's among them. */
export function archiveStreams(replicas: number): StreamConfig[] {
  const files = ['events.stream.json', 'blobs.stream.json', 'dead.stream.json', 'archived.kv.json'];
  return files.map((file) => ({ ...(read(file) as StreamConfig), num_replicas: replicas }));
}

/** The consumer that all archivers share. */
export const archiverConsumer = (): ConsumerConfig => read('archiver.consumer.json') as ConsumerConfig;

/**
 * Creates what is missing; never changes or deletes anything. Safe to run by many at once.
 * @throws {Error} when JetStream is not available or refuses.
 */
export async function ensureTopology(jsm: JetStreamManager, options: TopologyOptions): Promise<void> {
  for (const wanted of archiveStreams(options.replicas)) await ensureStream(jsm, wanted, options);
  await ensureConsumer(jsm, options);
}

async function ensureStream(
  jsm: JetStreamManager,
  wanted: StreamConfig,
  options: TopologyOptions,
): Promise<void> {
  try {
    const { config } = await jsm.streams.info(wanted.name);
    report(wanted.name, wanted, config, options);
  } catch (error) {
    if (!isApiError(error, JS_STREAM_NOT_FOUND)) throw error;
    await jsm.streams.add(wanted);
  }
}

/** Creates the shared consumer when it is missing, as after an operator deleted it. */
export async function ensureConsumer(
  jsm: JetStreamManager,
  options: Pick<TopologyOptions, 'onMismatch'>,
): Promise<void> {
  const wanted = archiverConsumer();
  const name = wanted.durable_name ?? '';
  try {
    const { config } = await jsm.consumers.info(STREAM_EVENTS, name);
    report(`consumer ${name}`, wanted, config, options);
  } catch (error) {
    if (!isApiError(error, JS_CONSUMER_NOT_FOUND)) throw error;
    await jsm.consumers.add(STREAM_EVENTS, wanted);
  }
}

function report(
  name: string,
  wanted: object,
  actual: object,
  { onMismatch }: Pick<TopologyOptions, 'onMismatch'>,
): void {
  const differences = differencesOf(wanted, actual);
  if (differences.length > 0) onMismatch(name, differences);
}

/** What an existing stream or consumer has otherwise than its file says, one text per setting. */
export function differencesOf(wanted: object, actual: object): string[] {
  const found = actual as Record<string, unknown>;
  return (
    Object.entries(wanted)
      .filter(([key]) => key !== 'description')
      // Servers leave out fields that are zero or false.
      .filter(([key, value]) => JSON.stringify(found[key] || null) !== JSON.stringify(value || null))
      .map(
        ([key, value]) => `${key}: is ${JSON.stringify(found[key])}, described as ${JSON.stringify(value)}`,
      )
  );
}
