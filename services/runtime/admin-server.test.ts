import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { type Readiness, startAdminServer } from './admin-server.ts';

async function start(readiness: () => Readiness) {
  const admin = await startAdminServer({ host: '127.0.0.1', port: 0 }, readiness, new Registry());
  const get = async (path: string): Promise<[number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${admin.port}${path}`);
    return [answer.status, (await answer.text()).trim()];
  };
  return { admin, get };
}

it('is alive whatever its readiness, and says why it is not ready', async () => {
  let readiness: Readiness = { ready: false, reason: 'waiting for NATS' };
  const { admin, get } = await start(() => readiness);
  expect(await get('/healthz')).toEqual([200, 'ok']);
  expect(await get('/readyz')).toEqual([503, 'waiting for NATS']);
  readiness = { ready: true };
  expect(await get('/readyz?verbose')).toEqual([200, 'ready']);
  expect((await get('/metrics'))[0]).toBe(200);
  expect((await get('/else'))[0]).toBe(404);
  await admin.close();
});

it('reports a port that is taken', async () => {
  const { admin } = await start(() => ({ ready: true }));
  const again = startAdminServer(
    { host: '127.0.0.1', port: admin.port },
    () => ({ ready: true }),
    new Registry(),
  );
  await expect(again).rejects.toThrow('EADDRINUSE');
  await admin.close();
});
