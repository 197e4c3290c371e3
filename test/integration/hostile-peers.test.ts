/** Hostile peers against the real process; `test/soak/fuzz-frames.ts` sends a hundred times as much. */
import { expect, test } from 'vitest';
import { attack } from '../_support/hostile/attack.ts';
import { startBesiegedService } from '../_support/hostile/besieged-service.ts';

const COUNT = 2_000;
const SEED = 7;

test('broken frames, messages and headers: the service serves others meanwhile, answers all it can, and holds on to nothing', async () => {
  const service = await startBesiegedService();
  const siege = attack({ port: service.port, count: COUNT, seed: SEED, name: 'test' });
  await service.serves();
  const { sent, unanswered } = await siege;
  await service.serves();
  const held = await service.idleHoldings();
  expect(service.running).toBe(true);
  expect(Object.values(sent).reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(COUNT);
  expect(Object.keys(sent).length).toBeGreaterThan(10);
  expect(unanswered).toEqual({});
  expect(held).toMatchObject({ callsRunning: 0, streams: 0, sessions: 0 });
  // An unhandled rejection among them: Node's own words have no level.
  expect(service.logged.severe).toEqual([]);
  expect(service.logged.lines).toBeLessThan(COUNT);
  expect(await service.stop()).toBe(0);
}, 120_000);
