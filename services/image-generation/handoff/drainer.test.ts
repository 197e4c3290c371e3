/** The drainer and the circuit over a real spool, with a broker that does as it is told. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { createLogger } from '../../runtime/logger.ts';
import type { ArchivePair } from '../archive.ts';
import { createCircuit } from './circuit.ts';
import { startDrainer } from './drainer.ts';
import { type HandOffPublisher, PublishError } from './handoff-publisher.ts';
import type { SpooledHandOff } from './spool-file.ts';
import { openSpool } from './spool.ts';
import { createSpoolingArchive } from './spooling-archive.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function setUp(publish: (handOff: SpooledHandOff) => Promise<void>, more: { directory?: string } = {}) {
  const directory = more.directory ?? (await mkdtemp(join(tmpdir(), 'sekai-drainer-')));
  const changes: string[] = [];
  const logger = createLogger('test', 'silent');
  const spool = await openSpool(directory, 2 ** 30);
  const circuit = createCircuit((open) => changes.push(open ? 'open' : 'closed'));
  const publisher: HandOffPublisher = {
    connected: true,
    publish,
    onConnectionChange: () => {},
    close: async () => {},
  };
  const handoffDeadlineMs = 100;
  const drainer = startDrainer({
    spool,
    publisher,
    circuit,
    logger,
    memoryBytes: 2 ** 20,
    promptMs: handoffDeadlineMs,
  });
  const archive = createSpoolingArchive({
    bucket: 'bucket',
    prefix: '',
    spool,
    drainer,
    circuit,
    logger,
    handoffDeadlineMs,
    maxPendingBytes: 2 ** 26,
  });
  cleanups.push(async () => {
    await archive.written();
    await drainer.stop();
    await rm(directory, { recursive: true, force: true });
  });
  return { archive, circuit, changes, drainer, directory, spool };
}

function pair(): ArchivePair {
  const image = randomBytes(1_000);
  const imageHash = createHash('sha256').update(image).digest('hex');
  return { imageHash, image, record: Buffer.from('{}'), requestId: randomUUID(), trace: {} };
}

it('opens the circuit after a missed deadline, also when the caller had begun to wait later', async () => {
  const { archive, circuit } = await setUp(() => delay(400));
  const handOff = archive.handOff(pair());
  await delay(50); // The caller's bytes flow.
  expect(await handOff.state(90)).toBe('spooled');
  expect(circuit.isOpen).toBe(true);
  const asked = performance.now();
  expect(await archive.handOff(pair()).state(10_000)).toBe('spooled');
  // Ten seconds were allowed.
  expect(performance.now() - asked).toBeLessThan(5_000);
});

it('does not take a caller in a hurry for a slow broker', async () => {
  const { archive, circuit } = await setUp(() => delay(50));
  expect(await archive.handOff(pair()).state(5)).not.toBe('queued');
  expect(circuit.isOpen).toBe(false);
});

it('keeps the circuit open while a backlog makes newcomers wait, and closes it when there is none', async () => {
  const { archive, circuit, changes } = await setUp(() => delay(30));
  const backlog = Array.from({ length: 40 }, () => archive.handOff(pair()));
  expect(await backlog.at(-1)?.state(200)).toBe('spooled');
  expect(circuit.isOpen).toBe(true);
  await vi.waitUntil(() => !circuit.isOpen);
  expect(changes).toEqual(['open', 'closed']);
  expect(await archive.handOff(pair()).state(5_000)).toBe('queued');
});

it('keeps the circuit open while the broker is slow, however few hand-offs there are', async () => {
  const { archive, drainer, changes } = await setUp(() => delay(200));
  for (let index = 0; index < 4; index += 1) {
    await archive.handOff(pair()).state(100);
    await vi.waitUntil(() => drainer.waiting === 0);
  }
  expect(changes).toEqual(['open']);
});

it('lets others pass a hand-off that the broker refuses, and tries it again', async () => {
  const refused = pair();
  let attempts = 0;
  const published: string[] = [];
  const { archive, circuit } = await setUp(async ({ imageHash }) => {
    if (imageHash === refused.imageHash && (attempts += 1) < 3) {
      throw new PublishError('refused', 'too large for the stream');
    }
    published.push(imageHash);
  });
  const first = [refused, refused].map((each) => archive.handOff(each));
  const other = pair();
  expect(await archive.handOff(other).state(5_000)).toBe('queued');
  for (const each of first) expect(await each.state(10_000)).toBe('queued');
  expect(published[0]).toBe(other.imageHash);
  expect(circuit.isOpen).toBe(false);
});

it('publishes oldest first while the broker is away and comes back', async () => {
  let away = true;
  const published: string[] = [];
  const { archive, directory } = await setUp(async ({ requestId }) => {
    if (away) throw new PublishError('timeout', 'no answer');
    published.push(requestId);
  });
  const pairs = Array.from({ length: 6 }, pair);
  for (const each of pairs) {
    await archive.handOff(each).state(100);
    await delay(2);
  }
  away = false;
  await vi.waitUntil(async () => (await readdir(join(directory, 'queue'))).length === 0, 10_000);
  // The first two are under way at the same time, and either may end first.
  const [, , ...others] = pairs.map(({ requestId }) => requestId);
  expect(published.filter((id) => others.includes(id))).toEqual(others);
});

it('gives up a file that somebody has removed, and goes on', async () => {
  const earlier = await setUp(() => Promise.reject(new PublishError('timeout', 'no answer')));
  for (let index = 0; index < 3; index += 1) await earlier.archive.handOff(pair()).state(100);
  await earlier.drainer.stop();
  const published: string[] = [];
  const { directory } = earlier;
  const later = await setUp(async ({ imageHash }) => void published.push(imageHash), { directory });
  expect(later.spool.leftovers).toHaveLength(3);
  const [first = ''] = await readdir(join(directory, 'queue'));
  await unlink(join(directory, 'queue', first)).catch(() => {}); // It may be published by now.
  await vi.waitUntil(() => later.drainer.waiting === 0);
  expect(published.length).toBeGreaterThanOrEqual(2);
  expect(later.spool.bytes).toBe(0);
});

it('counts attempts while the broker is away: it does not run hot', async () => {
  const { archive, drainer } = await setUp(() => Promise.reject(new PublishError('timeout', 'no answer')));
  const until = performance.now() + 1_500;
  while (performance.now() < until) await archive.handOff(pair()).state(100);
  expect(drainer.failedAttempts).toBeGreaterThanOrEqual(2);
  expect(drainer.failedAttempts).toBeLessThan(20);
});
