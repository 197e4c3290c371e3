import { describe, expect, it } from 'vitest';
import { natsConnectionOptions } from './nats-connection-options.ts';

describe('connection options', () => {
  it('take the login out of the URL, so that no log line can show it', () => {
    const options = natsConnectionOptions(['nats://ann:p%40ss@one:4333', 'nats://two'], 'test');
    expect(options).toMatchObject({ servers: ['one:4333', 'two:4222'], user: 'ann', pass: 'p@ss' });
    expect(options.tls).toBeUndefined();
  });

  it('take a lone user name for a token, and tls:// for TLS', () => {
    expect(natsConnectionOptions(['tls://s3cr3t@one'], 'test')).toMatchObject({ token: 's3cr3t', tls: {} });
  });
});
