import { readNatsAccess } from '../config.ts';
import { openOperatorQueue } from '../jetstream/jetstream-operator-queue.ts';
import type { OperatorQueue } from '../operator-queue.ts';
import type { CliIo } from './cli-io.ts';

/**
 * Runs `work` with the queue that the NATS_ variables name.
 * @throws {ConfigError | QueueAccessError}
 */
export async function withQueue<T>(
  { environment, signal }: CliIo,
  work: (queue: OperatorQueue) => Promise<T>,
): Promise<T> {
  const queue = await openOperatorQueue(readNatsAccess(environment), signal);
  try {
    return await work(queue);
  } finally {
    await queue.close();
  }
}
