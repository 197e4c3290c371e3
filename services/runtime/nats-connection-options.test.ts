import { describe, expect, it } from 'vitest';
import { natsAccessByUrls } from './nats-access.ts';
import { natsConnectionOptions } from './nats-connection-options.ts';

describe('connection options', () => {
  it('take the login out of the URL, so that no log line can show it', () => {
    const access = natsAccessByUrls(['nats://ann:p%40ss@one:4333', 'nats://two']);
    const options = natsConnectionOptions(access, 'test');
    expect(options).toMatchObject({ servers: ['one:4333', 'two:4222'], user: 'ann', pass: 'p@ss' });
    expect(options.tls).toBeUndefined();
  });

  it('take a lone user name for a token, and tls:// for TLS', () => {
    const access = natsAccessByUrls(['tls://s3cr3t@one']);
    expect(natsConnectionOptions(access, 'test')).toMatchObject({ token: 's3cr3t', tls: {} });
  });

  it('want TLS wherever a file for it is named', () => {
    const access = { ...natsAccessByUrls(['nats://one']), tls: { caFile: '/ca.pem' } };
    expect(natsConnectionOptions(access, 'test').tls).toEqual({ caFile: '/ca.pem' });
  });
});
