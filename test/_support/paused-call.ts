/** A call that is in the middle of its bytes for as long as a test wants. */
import { createHash } from 'node:crypto';
import { credentials, Metadata } from '@grpc/grpc-js';
import {
  type GenerateImageRequest,
  type GenerateImageResponse,
  ImageGenerationServiceClient,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { type Collected, collect, only } from './image-generation-fixture.ts';

export interface PausedCall {
  /** Reads the rest, to the end of the call. */
  resume(): Promise<Collected>;
}

/** Calls over a connection of its own, and stops reading at the first chunk. */
export async function callAndPause(target: string, request: GenerateImageRequest): Promise<PausedCall> {
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const client = new ImageGenerationServiceClient(target, credentials.createInsecure(), options);
  const stream = client.generateImage(request, new Metadata());
  const collected = collect(stream);
  void collected.then(() => client.close());
  const chunk = new Promise<true>((resolve) => {
    const onData = ({ event }: GenerateImageResponse): void => {
      if (event?.$case !== 'chunk') return;
      stream.off('data', onData);
      stream.pause();
      resolve(true);
    };
    stream.on('data', onData);
  });
  const first = await Promise.race([chunk, collected]);
  if (first !== true) throw new Error(`ended before its first chunk: ${first.error?.message}`);
  return {
    resume: () => {
      stream.resume();
      return collected;
    },
  };
}

/** Whether the bytes are those that the header announced and the result names. */
export function isIntact(collected: Collected): boolean {
  const sha256 = createHash('sha256').update(collected.bytes).digest();
  const { sha256: announced } = only(collected, 'header');
  return sha256.equals(announced) && only(collected, 'result').imageHash === sha256.toString('hex');
}
