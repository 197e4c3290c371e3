import { expect, test } from 'vitest';
import { PreconditionError } from '../errors.ts';
import { toStatus } from './status.ts';

test('a message cut in the middle of an emoji can still be sent', () => {
  // grpc-js percent-encodes it with encodeURI, which throws at half of a surrogate pair.
  for (const odd of ['', 'x']) {
    const { details } = toStatus(
      new PreconditionError('UNSUPPORTED_BY_BACKEND', `${odd}${'😀'.repeat(400)}`),
    );
    expect(details.length).toBeLessThanOrEqual(512);
    expect(() => encodeURI(details)).not.toThrow();
  }
});
