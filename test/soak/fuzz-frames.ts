/**
 * Soak program: hostile peers against the real process: random bytes, truncated and lying frames, floods, broken
 * messages, giant headers, resets in the middle. Not part of `npm test`, which sends a few thousand.
 *
 *   npm run build && node dist/test/soak/fuzz-frames.js [--count 200000] [--seed 1]
 *
 * Exits with 1 when the service dies, does not serve a good call in between, grows by more than 30 MB after the
 * first tenth, or logs more than a line per request.
 */
import { parseArgs } from 'node:util';
import { attack } from '../_support/hostile/attack.ts';
import { startBesiegedService } from '../_support/hostile/besieged-service.ts';

const ROUNDS = 20;
const WARM_UP_ROUNDS = 2;
const MOST_GROWTH_BYTES = 30_000_000;

const { values } = parseArgs({
  options: { count: { type: 'string', default: '200000' }, seed: { type: 'string', default: '1' } },
});
const [count, seed] = [Number(values.count), Number(values.seed)];
const service = await startBesiegedService();
const sent: Record<string, number> = {};
const memory: number[] = [];
const started = performance.now();
for (let round = 1; round <= ROUNDS; round += 1) {
  const more = await attack({ port: service.port, count: count / ROUNDS, seed, name: `round ${round}` });
  for (const [kind, items] of Object.entries(more)) sent[kind] = (sent[kind] ?? 0) + items;
  if (!service.running) break;
  await service.serves();
  memory.push(await service.rssBytes());
  const total = Object.values(sent).reduce((a, b) => a + b, 0);
  console.log(
    `${total} sent, RSS ${((memory.at(-1) ?? 0) / 1e6).toFixed(1)} MB, ${service.logged.lines} log lines`,
  );
}
const total = Object.values(sent).reduce((a, b) => a + b, 0);
const grownBytes =
  Math.min(...memory.slice(-3)) - Math.min(...memory.slice(WARM_UP_ROUNDS, WARM_UP_ROUNDS + 3));
const { running } = service;
const exitCode = await service.stop();
const { lines, bytes, texts, severe } = service.logged;
console.log(
  `${total} frames and requests in ${((performance.now() - started) / 1000).toFixed(0)} s, seed ${seed}: ${JSON.stringify(sent)}`,
);
console.log(`log: ${lines} lines, ${(bytes / 1e6).toFixed(1)} MB: ${JSON.stringify(texts)}`);
if (severe.length > 0)
  console.log(`warnings, errors and lines not ours: ${JSON.stringify(severe, undefined, 1)}`);
console.log(
  `memory ${(grownBytes / 1e6).toFixed(1)} MB more than after ${WARM_UP_ROUNDS} rounds of ${ROUNDS}; exit code ${exitCode}`,
);
const good =
  running && exitCode === 0 && grownBytes <= MOST_GROWTH_BYTES && lines <= total && severe.length === 0;
console.log(good ? 'good: the service stayed up and served good calls in between' : 'MISSED');
if (!good) process.exitCode = 1;
