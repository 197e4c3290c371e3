/** Hostile peers against the real process; `test/soak/fuzz-frames.ts` sends a hundred times as much. */
import { expect, test } from 'vitest';
import { attack } from '../_support/hostile/attack.ts';
import { startBesiegedService } from '../_support/hostile/besieged-service.ts';

const COUNT = 2_000;
const SEED = 7;

test('broken frames, messages and headers: the service serves others meanwhile, stays up, and logs at most a line per request', async () => {
  const service = await startBesiegedService();
  const siege = attack({ port: service.port, count: COUNT, seed: SEED, name: 'test' });
  await service.serves();
  const sent = await siege;
  await service.serves();
  expect(service.running).toBe(true);
  expect(Object.values(sent).reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(COUNT);
  expect(Object.keys(sent).length).toBeGreaterThan(10);
  expect(service.logged.severe).toEqual([]);
  expect(service.logged.lines).toBeLessThan(COUNT);
  expect(await service.stop()).toBe(0);
}, 60_000);
