/**
 * Peer: grpc-js as fast as it goes. One handler, one copy, 256 KiB chunks; nothing is checked, counted or logged, and
 * nobody is told anything but the chunks. With `BENCH_HASH` it hashes each image before it sends it, as a service must
 * that announces the hash.
 */
import { hash } from 'node:crypto';
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import {
  type GenerateImageRequest,
  type GenerateImageResponse,
  ImageGenerationServiceService,
} from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { serialiseResponse } from '../../../services/image-generation/grpc/chunk-serializer.ts';
import { fixedBytes } from '../subjects/fixed-image.ts';

const CHUNK_BYTES = 256 * 1024;
const hashes = process.env['BENCH_HASH'] === 'true';
const image = fixedBytes(Number(process.env['BENCH_IMAGE_BYTES']));
type Call = ServerWritableStream<GenerateImageRequest, GenerateImageResponse>;

function generateImage(call: Call): void {
  if (hashes) hash('sha256', image, 'buffer');
  let offset = 0;
  const writeOn = (): void => {
    while (offset < image.length) {
      const data = image.subarray(offset, offset + CHUNK_BYTES);
      const more = call.write({ event: { $case: 'chunk', value: { offset: BigInt(offset), data } } });
      offset += data.length;
      if (!more) return void call.once('drain', writeOn);
    }
    call.end();
  };
  writeOn();
}

const server = new Server({ 'grpc.enable_channelz': 0 });
const { generateImage: method } = ImageGenerationServiceService;
server.addService({ generateImage: { ...method, responseSerialize: serialiseResponse } }, { generateImage });
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(JSON.stringify({ msg: 'ready', grpcPort: port }));
});
process.once('SIGTERM', () => server.forceShutdown());
process.once('SIGTERM', () => process.exit());
