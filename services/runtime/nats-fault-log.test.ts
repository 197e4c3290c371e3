import { describe, expect, it, vi } from 'vitest';
import type { Logger } from './logger.ts';
import { createNatsFaultLog, natsCure } from './nats-fault-log.ts';

function faultLog() {
  const error = vi.fn<(facts: object, text: string) => void>();
  let nowMs = 0;
  const log = createNatsFaultLog({ error } as unknown as Logger, () => nowMs);
  return { log, error, pass: (ms: number) => (nowMs += ms) };
}

const refused = (subject: string) => ({
  data: 'PERMISSIONS_VIOLATION',
  permissionContext: { operation: 'publish', subject },
});

describe('the log of what NATS refuses', () => {
  it('has one line for a missing permission, whatever the image, and another when it is still missing', () => {
    const { log, error, pass } = faultLog();
    for (const digit of ['a', 'b', 'c']) log.heard(refused(`sekai.archive.event.${digit.repeat(64)}`));
    expect(error.mock.calls).toEqual([
      [
        expect.objectContaining({ operation: 'publish', subject: 'sekai.archive.event.*' }),
        'NATS: the login lacks a permission',
      ],
    ]);
    pass(60_000);
    log.heard(refused(`sekai.archive.event.${'d'.repeat(64)}`));
    expect(error).toHaveBeenCalledTimes(2);
  });

  it('does not grow with the subjects that are refused', () => {
    const { log, error } = faultLog();
    for (let i = 0; i < 1_000; i += 1) log.heard(refused(`word${i}`));
    expect(error).toHaveBeenCalledTimes(50);
  });

  it('has one line for a refused login, and another after the login was good again', () => {
    const { log, error } = faultLog();
    const login = { data: 'AUTHORIZATION_VIOLATION' };
    log.heard(login);
    log.heard(login);
    log.connected();
    log.heard(login);
    expect(error).toHaveBeenCalledTimes(2);
  });

  it('leaves out what heals by itself', () => {
    const { log, error } = faultLog();
    log.heard({ data: 'STALE_CONNECTION' });
    expect(error).not.toHaveBeenCalled();
  });
});

it.each(['DEPTH_ZERO_SELF_SIGNED_CERT', 'CERT_HAS_EXPIRED', 'ERR_TLS_CERT_ALTNAME_INVALID', 'TLS'])(
  '%s is cured by certificates',
  (code) => expect(natsCure({ code })).toContain('NATS_TLS_CA_FILE'),
);

it('has no cure for what only time heals', () =>
  expect(natsCure({ code: 'CONNECTION_REFUSED' })).toBeUndefined());
