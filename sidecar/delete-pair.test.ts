import { expect, it } from 'vitest';
import { pairKeys } from '../proto/archive-event.ts';
import { deletePair, type DeletePairParts } from './delete-pair.ts';
import type { OperatorQueue, QueuedEvent } from './operator-queue.ts';

const HASH = 'ab'.repeat(32);
const KEYS = pairKeys('p/', HASH);
const never = new AbortController().signal;

/** What is where, and what happens after each step: the races no real server can be made to lose at will. */
interface World extends DeletePairParts {
  readonly objects: Set<string>;
  readonly steps: string[];
  indexed: boolean;
  queued: QueuedEvent | undefined;
  versioned: boolean;
  after: (step: string) => void;
}

function world(): World {
  const here: World = {
    objects: new Set([KEYS.image, KEYS.record]),
    steps: [],
    indexed: true,
    queued: undefined,
    versioned: false,
    after: () => {},
    prefix: 'p/',
    bucket: {
      exists: (key) => Promise.resolve(here.objects.has(key) ? 'present' : 'absent'),
      remove: (key) => {
        here.objects.delete(key);
        done(key);
        return Promise.resolve(here.versioned ? 'version-kept' : 'removed');
      },
    },
    queue: {
      letters: async function* () {},
      isArchived: () => Promise.resolve(here.indexed),
      forget: () => {
        here.indexed = false;
        done('index');
        return Promise.resolve();
      },
      queuedEvent: () => Promise.resolve(here.queued),
    } as unknown as OperatorQueue,
  };
  const done = (step: string): void => {
    here.steps.push(step);
    here.after(step);
  };
  return here;
}

it('removes the index entry, the record, the image, in this order', async () => {
  const parts = world();
  expect(await deletePair(parts, HASH, 'refuse', 0, never)).toEqual({ outcome: 'deleted', mayReturn: false });
  expect(parts.steps).toEqual(['index', KEYS.record, KEYS.image]);
});

it('removes an index entry that an archiver wrote on finding the record before it went', async () => {
  const parts = world();
  let found = false;
  parts.after = (step) => {
    if (step === 'index' && !found) parts.indexed = found = true;
  };
  expect(await deletePair(parts, HASH, 'refuse', 0, never)).toMatchObject({ outcome: 'deleted' });
  expect(parts.steps).toEqual(['index', KEYS.record, KEYS.image, 'index']);
  expect(parts.indexed).toBe(false);
});

it('stops when an event of the image is queued meanwhile', async () => {
  const parts = world();
  parts.after = () => {
    parts.queued = { sequence: 1, messageId: '', queuedAt: new Date(), payload: new Uint8Array() };
  };
  expect(await deletePair(parts, HASH, 'refuse', 0, never)).toEqual({ outcome: 'queued' });
});

it('gives up on an image that is archived again every time', async () => {
  const parts = world();
  parts.after = () => {
    parts.indexed = true;
    parts.objects.add(KEYS.image).add(KEYS.record);
  };
  expect(await deletePair(parts, HASH, 'refuse', 0, never)).toEqual({ outcome: 'returned' });
});

it('says when the bucket keeps versions, for then nothing is gone', async () => {
  const parts = world();
  parts.versioned = true;
  parts.after = (step) => (parts.indexed = step === 'index' && parts.steps.length === 1);
  expect(await deletePair(parts, HASH, 'refuse', 0, never)).toEqual({ outcome: 'versions-kept' });
});
