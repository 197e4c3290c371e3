/**
 * An S3 that costs next to nothing: takes every upload, keeps nothing, has no object, answers after `BENCH_S3_DELAY_MS`.
 * That the archiver's uploads are good is for the tests, against a strict S3; here S3 must not be what is measured.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const delayMs = Number(process.env['BENCH_S3_DELAY_MS'] ?? 0);
let uploads = 0;
const server = createServer((request, response) => {
  const answer = (): void => {
    if (request.method === 'POST') uploads += 1;
    const isCount = request.url === '/uploads';
    response.statusCode = isCount ? 200 : request.method === 'POST' ? 204 : 404;
    response.end(isCount ? String(uploads) : undefined);
  };
  request.resume();
  request.on('end', () => (delayMs > 0 ? setTimeout(answer, delayMs) : answer()));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ msg: 'ready', grpcPort: (server.address() as AddressInfo).port }));
});
process.once('SIGTERM', () => process.exit());
