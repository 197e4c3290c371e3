/**
 * An S3 that costs next to nothing: takes every upload, keeps nothing, has no object, answers after `BENCH_S3_DELAY_MS`.
 * Between `/hold` and `/release` it answers nothing, so that a queue can fill up before the clock starts.
 * That the archiver's uploads are good is for the tests, against a strict S3; here S3 must not be what is measured.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const delayMs = Number(process.env['BENCH_S3_DELAY_MS'] ?? 0);
let uploads = 0;
let held: (() => void)[] | undefined;

/** Bench's own wishes; undefined for what is S3's. */
function obey(url: string | undefined): string | undefined {
  if (url === '/uploads') return String(uploads);
  if (url === '/hold') {
    held ??= [];
    return 'held';
  }
  if (url !== '/release') return undefined;
  for (const answer of held ?? []) answer();
  held = undefined;
  return 'released';
}

const server = createServer((request, response) => {
  const wish = obey(request.url);
  const answer = (): void => {
    if (request.method === 'POST') uploads += 1;
    response.statusCode = wish !== undefined ? 200 : request.method === 'POST' ? 204 : 404;
    response.end(wish);
  };
  request.resume();
  request.on('end', () => {
    if (wish !== undefined) answer();
    else if (held !== undefined) held.push(answer);
    else if (delayMs > 0) setTimeout(answer, delayMs);
    else answer();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ msg: 'ready', grpcPort: (server.address() as AddressInfo).port }));
});
process.once('SIGTERM', () => process.exit());
