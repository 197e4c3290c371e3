import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { createBalancer } from './engine-balancer.ts';

const member = (name: string, capacity = 1) => ({
  name,
  capacity,
  usable: true,
  answers: false,
  async check() {
    this.usable = this.answers;
    return this.answers;
  },
});
const anyone = () => true;
const never = (): AbortSignal => new AbortController().signal;

test('jobs go where the least are, and equals take turns', async () => {
  const [a, b] = [member('a', 3), member('b', 3)];
  const balancer = createBalancer([a, b]);
  const names: string[] = [];
  for (let job = 0; job < 6; job += 1) names.push((await balancer.acquire(anyone, never())).member.name);
  expect(names).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
});

test('whoever waits longest is served first, and only by one that can', async () => {
  const [a, b] = [member('a'), member('b')];
  const balancer = createBalancer([a, b]);
  const [first, second] = [await balancer.acquire(anyone, never()), await balancer.acquire(anyone, never())];
  const order: string[] = [];
  const onlyB = balancer
    .acquire(({ name }) => name === 'b', never())
    .then((lease) => order.push(`b: ${lease.member.name}`));
  const any = balancer.acquire(anyone, never()).then((lease) => order.push(`any: ${lease.member.name}`));
  first.release();
  await any;
  second.release();
  second.release(); // Once is enough.
  await onlyB;
  expect(order).toEqual(['any: a', 'b: b']);
  expect([balancer.inFlight(a), balancer.inFlight(b)]).toEqual([1, 1]);
});

test('who leaves the line leaves nothing behind', async () => {
  const a = member('a');
  const balancer = createBalancer([a]);
  const lease = await balancer.acquire(anyone, never());
  const caller = new AbortController();
  const waiting = balancer.acquire(anyone, caller.signal);
  caller.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  expect(getEventListeners(caller.signal, 'abort')).toEqual([]);
  lease.release();
  expect(balancer.inFlight(a)).toBe(0);
});

test('when the last engine goes down, whoever waits is refused, unless it is back already', async () => {
  const a = member('a');
  const balancer = createBalancer([a]);
  const lease = await balancer.acquire(anyone, never());
  const refused = balancer.acquire(anyone, never());
  a.usable = false;
  balancer.changed();
  await expect(refused).rejects.toMatchObject({ failure: 'UNAVAILABLE' });
  await expect(balancer.acquire(anyone, never())).rejects.toMatchObject({ failure: 'UNAVAILABLE' });
  a.answers = true;
  const patient = balancer.acquire(anyone, never());
  lease.release();
  expect((await patient).member).toBe(a);
});
