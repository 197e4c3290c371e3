/** Peer: raw node:http2, the limit of any gRPC server in Node. The whole image in one write, no gRPC framing. */
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { fixedBytes } from '../subjects/fixed-image.ts';

const image = fixedBytes(Number(process.env['BENCH_IMAGE_BYTES']));
const server = createServer();
server.on('stream', (stream) => {
  stream.resume();
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(image);
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ msg: 'ready', grpcPort: (server.address() as AddressInfo).port }));
});
process.once('SIGTERM', () => process.exit());
