/** A real nats-server under the permissions of deploy/nats/authorization.conf. */
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, Events, type NatsConnection } from 'nats';
import { startNatsServer } from '../../deploy/dev/nats-server.ts';
import type { NatsAccess } from '../../services/runtime/nats-access.ts';
import { natsConnectionOptions } from '../../services/runtime/nats-connection-options.ts';

export type NatsUser = 'sekai-service' | 'sekai-archiver' | 'sekai-operator';

export interface GuardedNats {
  /** URL with the login of a user. */
  url(user: NatsUser): string;
  connect(user: NatsUser): Promise<NatsConnection>;
  /** What the server has refused so far, from its log: `Publish Violation - User "sekai-service", Subject …`. */
  violations(): Promise<string[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

const AUTHORIZATION = new URL('../../deploy/nats/authorization.conf', import.meta.url);
const PASSWORDS: Readonly<Record<NatsUser, string>> = {
  'sekai-service': 'service-password',
  'sekai-archiver': 'archiver-password',
  'sekai-operator': 'operator-password',
};

/** The passwords reach the server as in production, by its environment: this process's, for as long as it starts. */
export async function startGuardedNats(binary: string): Promise<GuardedNats> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-guarded-nats-'));
  await copyFile(AUTHORIZATION, join(directory, 'authorization.conf'));
  for (const [user, password] of Object.entries(PASSWORDS)) {
    process.env[`${user.toUpperCase().replace('-', '_')}_PASSWORD`] = password;
  }
  const server = await startNatsServer({ directory, binary, config: 'include "authorization.conf"' });
  const opened: NatsConnection[] = [];
  const url = (user: NatsUser): string => `nats://${user}:${PASSWORDS[user]}@127.0.0.1:${server.port}`;
  return {
    url,
    async connect(user) {
      const connection = await connect(natsConnectionOptions(accessTo(url(user)), 'test'));
      opened.push(connection);
      return connection;
    },
    async violations() {
      const log = await readFile(server.logFile, 'utf8');
      return log.split('\n').filter((line) => line.includes('Violation'));
    },
    async [Symbol.asyncDispose]() {
      for (const connection of opened) await connection.close();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A login in the URL, without TLS. */
export const accessTo = (url: string): NatsAccess => ({
  urls: [url],
  login: { kind: 'urls' },
  tls: undefined,
});

/** What the server refuses when `act` is done over `connection`: the error's text, or undefined for nothing. */
export async function refusalOf(connection: NatsConnection, act: () => void): Promise<string | undefined> {
  const errors: string[] = [];
  const watch = (async () => {
    for await (const { type, data } of connection.status()) {
      if (type === Events.Error) errors.push(JSON.stringify(data));
    }
  })();
  act();
  // The server answers in order: after this round trip it has judged what was sent before.
  await connection.flush();
  await Promise.race([watch, connection.flush()]);
  return errors[0];
}
