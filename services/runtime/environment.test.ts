import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  ConfigError,
  flag,
  integer,
  listenAddress,
  oneOf,
  readEnvironment,
  secret,
  url,
  urlList,
  variableMeta,
} from './environment.ts';

const schema = z.object({
  LISTEN: listenAddress('Where.').prefault('0.0.0.0:80'),
  COUNT: integer('How many.', 1, 10).prefault('3'),
  SWITCH: flag('Whether.').prefault('true'),
  COLOUR: oneOf('Which.', ['red', 'blue']).optional(),
  KEY: secret('Key.').optional(),
  SERVERS: urlList('Servers.', ['nats', 'tls']).prefault('nats://one'),
  STORE: url('Store.', ['https']).optional(),
});

describe('readEnvironment', () => {
  it('fills in defaults, and takes an empty value for an unset one', () => {
    expect(readEnvironment(schema, { COUNT: '', UNKNOWN: 'x' })).toEqual({
      LISTEN: { host: '0.0.0.0', port: 80 },
      COUNT: 3,
      SWITCH: true,
      SERVERS: ['nats://one'],
    });
  });

  it('reads every kind of value', () => {
    const read = readEnvironment(schema, {
      LISTEN: '[::1]:0',
      COUNT: '10',
      SWITCH: 'false',
      COLOUR: 'blue',
      SERVERS: 'nats://a:4222, tls://b',
      STORE: 'https://s3.example',
    });
    expect(read).toMatchObject({
      LISTEN: { host: '::1', port: 0 },
      COUNT: 10,
      SWITCH: false,
      COLOUR: 'blue',
      SERVERS: ['nats://a:4222', 'tls://b'],
    });
  });

  it('reports all faults at once, each with name, expected form and value', () => {
    const faulty = { LISTEN: 'here', COUNT: '11', SWITCH: 'yes', COLOUR: 'green', STORE: 'ftp://x' };
    const read = (): unknown => readEnvironment(schema, faulty);
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(/LISTEN: expected host:port.*got "here"/);
    expect(read).toThrow(/COUNT: expected a whole number from 1 to 10, got "11"/);
    expect(read).toThrow(/SWITCH: expected "true" or "false", got "yes"/);
    expect(read).toThrow(/COLOUR: expected one of red, blue, got "green"/);
    expect(read).toThrow(/STORE: expected a URL starting with https:\/\//);
  });

  it.each(['1.5', '-1', '0x5', '1e1', ' 5', 'NaN'])('takes %j for no whole number', (COUNT) => {
    expect(() => readEnvironment(schema, { COUNT })).toThrow(/COUNT/);
  });

  it('prints neither secrets nor the login in a URL', () => {
    const withSecret = z.object({
      KEY: secret('Key.').and(z.never()).meta({ expected: 'a key', purpose: '', secret: true }),
    });
    expect(() => readEnvironment(withSecret, { KEY: 'hunter2' })).toThrow(/KEY.*\(secret\)/);
    const read = (): unknown =>
      readEnvironment(schema, { SERVERS: 'http://ann:hunter2@host,nats://bob:hunter3@x' });
    expect(read).toThrow(/http:\/\/\(secret\)@host/);
    expect(read).not.toThrow(/hunter/);
  });

  it('finds the description of a variable behind its default', () => {
    expect(variableMeta(schema.shape.COUNT)).toMatchObject({
      expected: 'a whole number from 1 to 10',
      purpose: 'How many.',
    });
  });
});
