import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type NatsServer, startNatsServer } from '../../deploy/dev/nats-server.ts';
import { openJetStreamConnection } from '../../services/image-generation/handoff/jetstream-connection.ts';
import { createLogger, type Logger } from '../../services/runtime/logger.ts';
import { connectNats, type NatsLink } from '../../sidecar/jetstream/connection.ts';
import { readNatsAccess } from '../../sidecar/config.ts';
import { createAuthority } from '../_support/certificates.ts';
import { createNatsOperator } from '../_support/nats-operator.ts';

/** A server that checks who comes, and what our processes log about it. */
let directory: string;
let releases: (() => Promise<unknown>)[];
let lines: Record<string, unknown>[];
let logger: Logger;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sekai-nats-security-'));
  releases = [];
  lines = [];
  logger = createLogger('test', 'info', { write: (line) => void lines.push(JSON.parse(line)) });
});

afterEach(async () => {
  for (const release of releases.toReversed()) await release();
  await rm(directory, { recursive: true, force: true });
});

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

async function serverWith(config: string): Promise<NatsServer> {
  const server = await startNatsServer({ directory: join(directory, 'nats'), config });
  releases.push(() => server.stop());
  return server;
}

const urlOf = ({ port }: NatsServer): string => `nats://localhost:${port}`;

/** Connects as the archiver does and proves it with a request. */
async function connectArchiver(environment: Record<string, string>): Promise<NatsLink> {
  const abort = new AbortController();
  releases.push(async () => abort.abort(new Error('test is over')));
  const link = await connectNats(readNatsAccess(environment), 'test', logger, abort.signal);
  releases.push(() => link.close());
  await (await link.connection.jetstreamManager()).getAccountInfo();
  return link;
}

/** Connects as the image service does. */
async function connectService(environment: Record<string, string>): Promise<void> {
  const connection = openJetStreamConnection(readNatsAccess(environment), logger);
  releases.push(() => connection.close());
  await vi.waitFor(() => expect(connection.current).toBeDefined(), { timeout: 10_000 });
}

/** Tries to connect and fails; resolves with the line that says why. */
async function refusal(environment: Record<string, string>): Promise<Record<string, unknown>> {
  const connection = openJetStreamConnection(readNatsAccess(environment), logger);
  releases.push(() => connection.close());
  const text = 'NATS cannot be reached; images go to the spool';
  const line = (): Record<string, unknown> | undefined => lines.find(({ msg }) => msg === text);
  await vi.waitFor(() => expect(line()).toBeDefined(), { timeout: 10_000 });
  return line() ?? {};
}

/** Changes the server's configuration while it runs. */
async function reconfigure(server: NatsServer, from: string, to: string): Promise<void> {
  const path = join(directory, 'nats', 'nats-server.conf');
  await writeFile(path, (await readFile(path, 'utf8')).replaceAll(from, to));
  await server.kill('SIGHUP');
}

async function tlsFiles(prefix: string) {
  const authority = await createAuthority();
  const server = await authority.issue({ commonName: 'localhost' });
  const client = await authority.issue({ commonName: 'sekai' });
  return {
    ca: await file(`${prefix}-ca.pem`, authority.cert),
    serverCert: await file(`${prefix}-server.pem`, server.cert),
    serverKey: await file(`${prefix}-server.key`, server.key),
    cert: await file(`${prefix}-client.pem`, client.cert),
    key: await file(`${prefix}-client.key`, client.key),
  };
}

const tlsConfig = ({ ca, serverCert, serverKey }: Awaited<ReturnType<typeof tlsFiles>>): string =>
  `tls { cert_file: "${serverCert}", key_file: "${serverKey}", ca_file: "${ca}", verify: true }`;

describe('a NATS server with TLS that verifies its clients', () => {
  it('takes both processes by their certificate, and new files at the next connect', {
    timeout: 60_000,
  }, async () => {
    const old = await tlsFiles('old');
    const server = await serverWith(tlsConfig(old));
    const environment = {
      NATS_URL: `tls://localhost:${server.port}`,
      NATS_TLS_CA_FILE: old.ca,
      NATS_TLS_CERT_FILE: old.cert,
      NATS_TLS_KEY_FILE: old.key,
    };
    const link = await connectArchiver(environment);
    await connectService(environment);

    const next = await tlsFiles('next');
    for (const name of ['ca', 'cert', 'key'] as const) await writeFile(old[name], await readFile(next[name]));
    await writeFile(old.serverCert, await readFile(next.serverCert));
    await writeFile(old.serverKey, await readFile(next.serverKey));
    const reconnected = link.connection.reconnect();
    await server.restart();
    await reconnected;
    await vi.waitFor(() => expect(lines.map(({ msg }) => msg)).toContain('NATS: connected again'), {
      timeout: 20_000,
    });
  });

  it('refuses a client without a certificate, with a line that names the cure', async () => {
    const files = await tlsFiles('one');
    const server = await serverWith(tlsConfig(files));
    const { cure } = await refusal({ NATS_URL: urlOf(server), NATS_TLS_CA_FILE: files.ca });
    expect(cure).toContain('NATS_TLS_CERT_FILE');
  });

  it('is refused when another authority vouches for it', async () => {
    const server = await serverWith(tlsConfig(await tlsFiles('one')));
    const { ca } = await tlsFiles('other');
    const { cure } = await refusal({ NATS_URL: urlOf(server), NATS_TLS_CA_FILE: ca });
    expect(cure).toContain('NATS_TLS_CA_FILE');
  });

  it('is refused when it offers no TLS though a file for it is named', async () => {
    const server = await serverWith('');
    const { ca } = await tlsFiles('one');
    const { cure } = await refusal({ NATS_URL: urlOf(server), NATS_TLS_CA_FILE: ca });
    expect(cure).toContain('offers no TLS');
  });
});

describe('a NATS server with users', () => {
  const config = (password: string): string =>
    `authorization { users: [{ user: ann, password: "${password}" }] }`;

  it('takes user and password, and the new password from the file once it is changed', async () => {
    const server = await serverWith(config('spring'));
    const path = await file('password', 'spring\n');
    const environment = { NATS_URL: urlOf(server), NATS_USER: 'ann', NATS_PASSWORD_FILE: path };
    const link = await connectArchiver(environment);
    await connectService(environment);

    await reconfigure(server, 'spring', 'autumn');
    await vi.waitFor(
      () => expect(lines.map(({ msg }) => msg)).toContain('NATS: the login is refused, trying again'),
      {
        timeout: 20_000,
      },
    );
    await writeFile(path, 'autumn\n');
    await vi.waitFor(() => expect(link.connected).toBe(true), { timeout: 20_000 });
    await vi.waitFor(() => expect(lines.filter(({ msg }) => msg === 'NATS connected')).toHaveLength(2), {
      timeout: 20_000,
    });
    expect(lines.filter(({ msg }) => msg === 'NATS: the login is refused, trying again').length).toBeLessThan(
      3,
    );
    expect(JSON.stringify(lines)).not.toMatch(/spring|autumn/);
  }, 60_000);

  it('refuses a wrong password with a line that names the cure and not the password', async () => {
    const server = await serverWith(config('spring'));
    const path = await file('password', 'winter\n');
    const { cure } = await refusal({ NATS_URL: urlOf(server), NATS_USER: 'ann', NATS_PASSWORD_FILE: path });
    expect(cure).toContain('NATS_PASSWORD_FILE');
    expect(JSON.stringify(lines)).not.toContain('winter');
  });

  it('takes a token', async () => {
    const server = await serverWith('authorization { token: "t0ken" }');
    const path = await file('token', 't0ken\n');
    const link = await connectArchiver({ NATS_URL: urlOf(server), NATS_TOKEN_FILE: path });
    expect(link.connected).toBe(true);
  });

  it('takes an nkey', async () => {
    const user = nkeys.createUser();
    const server = await serverWith(`authorization { users: [{ nkey: ${user.getPublicKey()} }] }`);
    const path = await file('seed', user.getSeed());
    const link = await connectArchiver({ NATS_URL: urlOf(server), NATS_NKEY_SEED_FILE: path });
    expect(link.connected).toBe(true);
  });

  it('says once which permission is missing, and goes on', async () => {
    const users = 'user: ann, password: "spring", permissions: { publish: { deny: "sekai.>" } }';
    const server = await serverWith(`authorization { users: [{ ${users} }] }`);
    const link = await connectArchiver({ NATS_URL: urlOf(server).replace('//', '//ann:spring@') });
    for (const digit of ['a', 'b']) link.connection.publish(`sekai.archive.event.${digit.repeat(64)}`);
    await link.connection.flush();
    const refused = (): unknown[] => lines.filter(({ msg }) => msg === 'NATS: the login lacks a permission');
    await vi.waitFor(() => expect(refused()).toHaveLength(1), { timeout: 10_000 });
    expect(refused()).toMatchObject([{ operation: 'publish', subject: 'sekai.archive.event.*' }]);
    expect(link.connected).toBe(true);
  });
});

describe('a NATS server with an operator', () => {
  it('takes a credentials file, and another one at the next connect', async () => {
    const operator = createNatsOperator();
    const server = await serverWith(operator.config);
    const path = await file('user.creds', operator.credentials('archiver'));
    const environment = { NATS_URL: urlOf(server), NATS_CREDS_FILE: path };
    const link = await connectArchiver(environment);
    await connectService(environment);
    await writeFile(path, operator.credentials('archiver of tomorrow'));
    await link.connection.reconnect();
    await vi.waitFor(() => expect(lines.map(({ msg }) => msg)).toContain('NATS: connected again'), {
      timeout: 20_000,
    });
  }, 60_000);

  it('refuses credentials of another operator', async () => {
    const server = await serverWith(createNatsOperator().config);
    const path = await file('user.creds', createNatsOperator().credentials('stranger'));
    const { cure } = await refusal({ NATS_URL: urlOf(server), NATS_CREDS_FILE: path });
    expect(cure).toContain('NATS_CREDS_FILE');
  });
});
