/**
 * An operator, one account and its users, as `nsc` would make them. The JWTs are JSON signed with an nkey:
 * https://docs.nats.io/running-a-nats-service/nats_admin/security/jwt
 */
import { randomUUID } from 'node:crypto';
import { nkeys } from 'nats';

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface NatsOperator {
  /** Lines for the server's configuration. */
  readonly config: string;
  /** The content of a credentials file for a new user. */
  credentials(user: string): string;
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 };

export function createNatsOperator(): NatsOperator {
  const operator = nkeys.createOperator();
  const system = nkeys.createAccount();
  const account = nkeys.createAccount();
  const accountJwt = (keys: KeyPair, name: string, limits: object): string =>
    signed(operator, keys, name, { type: 'account', version: 2, limits: { ...UNLIMITED, ...limits } });
  const systemId = system.getPublicKey();
  const operatorJwt = signed(operator, operator, 'test operator', {
    type: 'operator',
    version: 2,
    system_account: systemId,
  });
  const many = { imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const jetStream = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  return {
    config: `operator: ${operatorJwt}
system_account: ${systemId}
resolver: MEMORY
resolver_preload: {
  ${systemId}: ${accountJwt(system, 'SYS', many)}
  ${account.getPublicKey()}: ${accountJwt(account, 'SEKAI', { ...many, ...jetStream })}
}`,
    credentials(name) {
      const user = nkeys.createUser();
      const jwt = signed(account, user, name, { type: 'user', version: 2, ...UNLIMITED });
      const seed = new TextDecoder().decode(user.getSeed());
      return [
        '-----BEGIN NATS USER JWT-----',
        jwt,
        '------END NATS USER JWT------',
        '',
        '-----BEGIN USER NKEY SEED-----',
        seed,
        '------END USER NKEY SEED------',
        '',
      ].join('\n');
    },
  };
}

function signed(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const claims = {
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name,
    sub: subject.getPublicKey(),
    nats,
  };
  const text = [{ typ: 'JWT', alg: 'ed25519-nkey' }, claims]
    .map((part) => encode(JSON.stringify(part)))
    .join('.');
  return `${text}.${encode(issuer.sign(new TextEncoder().encode(text)))}`;
}

const encode = (part: string | Uint8Array): string => Buffer.from(part).toString('base64url');
