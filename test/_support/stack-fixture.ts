/** The local stack with a client, for the tests of the whole system. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { type Stack, type StackArchive, startStack } from '../../deploy/dev/stack.ts';
import { pairKeys } from '../../proto/archive-event.ts';
import {
  createImageGenerationClient,
  type GeneratedImage,
  type ImageGenerationClient,
  type ImageRequestFields,
} from '../../services/client/image-generation-client.ts';

export const PREFIX = 'customers/sekai/background-image-gen/';
export const BUCKET = 'customers-sekai-background-image-gen';

export interface StackFixture {
  readonly stack: Stack;
  readonly archive: StackArchive;
  readonly client: ImageGenerationClient;
  /** A small image of its own, unless `fields` say otherwise. */
  generate(fields?: Partial<ImageRequestFields>): Promise<GeneratedImage>;
  /** The stored pair, once both objects are there. */
  storedPair(
    imageHash: string,
    timeoutMs?: number,
  ): Promise<{ image: Buffer; record: Record<string, unknown> }>;
  /** Uploads of a key that reached S3, by status. */
  uploads(key: string): (number | undefined)[];
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startStackFixture(
  options: { natsBinary?: string; environment?: Record<string, string> } = {},
): Promise<StackFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-stack-'));
  const stack = await startStack({ directory, ...options });
  if (stack.archive === undefined) throw new Error('the fixture is for stacks with an archive');
  const { archive } = stack;
  const client = createImageGenerationClient({ target: stack.target });
  return {
    stack,
    archive,
    client,
    generate: (fields) =>
      client.generateImage({ prompt: `a hill ${randomUUID()}`, width: 64, height: 64, steps: 1, ...fields }),
    async storedPair(imageHash, timeoutMs = 15_000) {
      const keys = pairKeys(PREFIX, imageHash);
      return vi.waitFor(
        async () => {
          const record = await archive.s3.objects.get(BUCKET, keys.record);
          const image = await archive.s3.objects.get(BUCKET, keys.image);
          if (record === undefined || image === undefined) throw new Error(`no pair ${imageHash} yet`);
          return {
            image: image.body,
            record: JSON.parse(record.body.toString('utf8')) as Record<string, unknown>,
          };
        },
        { timeout: timeoutMs, interval: 20 },
      );
    },
    uploads: (key) =>
      archive.s3.requests
        .filter((request) => request.method === 'POST' && request.key === key)
        .map(({ status }) => status),
    async [Symbol.asyncDispose]() {
      client.close();
      await stack.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
