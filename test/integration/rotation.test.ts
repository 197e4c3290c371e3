/** Certificates and tokens are replaced while callers call. */
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import { createAuthority } from '../_support/certificates.ts';
import { collect } from '../_support/image-generation-fixture.ts';
import {
  bearer,
  capabilitiesError,
  newToken,
  type SecuredService,
  startSecuredService,
} from '../_support/secured-service.ts';
import { wireRequest } from '../_support/wire-request.ts';

const SMALL = wireRequest({ width: 64, height: 64, steps: 1 });
const RENEWED_TOKENS = 'bearer tokens renewed';
const RENEWED_CERTIFICATE = 'TLS certificate renewed';

const countOf = ({ fixture }: SecuredService, message: string): number =>
  fixture.logLines.filter(({ msg }) => msg === message).length;

const happens = (check: () => void | Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 15_000 });

/** Does something to a file, and waits until the service says that it has seen it. */
async function until(secured: SecuredService, message: string, act: () => Promise<void>): Promise<void> {
  const before = countOf(secured, message);
  await act();
  await happens(() => expect(countOf(secured, message)).toBe(before + 1));
}

/** Fingerprint of the certificate that a new connection is shown. */
function shownCertificate({ fixture, serverAuthority }: SecuredService): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: fixture.service.grpcPort,
      servername: 'localhost',
      ca: serverAuthority.cert,
      ALPNProtocols: ['h2'],
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
  });
}

/** Callers on connections that stay and on ever new ones, without a pause, until told to stop. */
function startLoad(secured: SecuredService, token: () => string) {
  const failures: string[] = [];
  const ended: number[] = [];
  const stopping = new AbortController();
  async function worker(index: number, fresh: boolean): Promise<void> {
    const lasting = fresh ? undefined : secured.client();
    while (!stopping.signal.aborted) {
      const client = lasting ?? secured.client();
      const [picture, capabilities] = await Promise.all([
        collect(client.generateImage(SMALL, bearer(token()))),
        capabilitiesError(client, bearer(token())),
      ]);
      for (const error of [picture.error, capabilities]) if (error) failures.push(error.message);
      ended[index] = (ended[index] ?? 0) + 1;
      if (fresh) client.close();
    }
  }
  const workers = Array.from({ length: 12 }, (_, index) => worker(index, index % 3 === 0));
  return {
    failures,
    /** Until every worker has begun and ended a round since now. */
    async round(): Promise<void> {
      const before = workers.map((_, index) => ended[index] ?? 0);
      await happens(() =>
        before.forEach((count, index) => expect(ended[index] ?? 0).toBeGreaterThan(count + 1)),
      );
    },
    async stop(): Promise<number> {
      stopping.abort();
      await Promise.all(workers);
      return ended.reduce((sum, count) => sum + count, 0);
    },
  };
}

test('two rotations of certificate and tokens under load fail no call', { timeout: 90_000 }, async () => {
  let token = newToken();
  await using secured = await startSecuredService({ tokens: { [token]: 'studio' } });
  const load = startLoad(secured, () => token);
  const shown = [await shownCertificate(secured)];
  for (let rotation = 1; rotation <= 2; rotation += 1) {
    await load.round();
    const old = token;
    const next = newToken();
    const pair = await secured.serverAuthority.issue();
    await until(secured, RENEWED_TOKENS, () => secured.writeTokens({ [old]: 'studio', [next]: 'studio' }));
    token = next;
    await until(secured, RENEWED_CERTIFICATE, () => secured.swapCertificate(pair));
    await load.round();
    await until(secured, RENEWED_TOKENS, () => secured.writeTokens({ [next]: 'studio' }));
    await load.round();
    shown.push(await shownCertificate(secured));
    expect(shown.at(-1)).toBe(new X509Certificate(pair.cert).fingerprint256);
    expect((await capabilitiesError(secured.client(), bearer(old)))?.code).toBe(status.UNAUTHENTICATED);
  }
  const rounds = await load.stop();
  expect(load.failures).toEqual([]);
  expect(rounds).toBeGreaterThan(12 * 6);
  expect(new Set(shown).size).toBe(3);
});

test('files that cannot be used change nothing, with one warning each that tells no content', async () => {
  const token = newToken();
  await using secured = await startSecuredService({ tokens: { [token]: 'studio' } });
  const other = await secured.serverAuthority.issue();
  const shown = await shownCertificate(secured);
  const good = bearer(token);
  const warnings = () =>
    secured.fixture.logLines.flatMap(({ level, err }) =>
      level === 'warn' ? [(err as { message: string }).message] : [],
    );
  const refuse = async (path: string, content: string | Buffer, text: string): Promise<void> => {
    const before = warnings().length;
    await writeFile(path, content);
    await happens(() => expect(warnings()).toHaveLength(before + 1));
    expect(warnings().at(-1)).toContain(text);
    expect(await shownCertificate(secured)).toBe(shown);
    expect(await capabilitiesError(secured.client(), good)).toBeUndefined();
    expect(warnings()).toHaveLength(before + 1);
  };
  const { cert, key, tokens } = secured.paths;
  await refuse(key, other.key, 'TLS_KEY_FILE: expected the private key of');
  await refuse(cert, other.cert.subarray(0, 100), 'TLS_CERT_FILE: expected a PEM certificate chain');
  await refuse(tokens, `studio:${'0'.repeat(64)}\nhunter2\n`, 'line 2 is not name:sha256hex');
  await refuse(tokens, '', 'no token in it');
  expect(JSON.stringify(secured.fixture.logLines)).not.toMatch(/hunter2|PRIVATE|0{64}/);
  await until(secured, RENEWED_CERTIFICATE, () => writeFile(cert, other.cert));
  expect(await shownCertificate(secured)).toBe(new X509Certificate(other.cert).fingerprint256);
});

test('after a change of authority new connections need its certificates, and those that exist go on', async () => {
  await using secured = await startSecuredService({ clientCertificates: true });
  const next = await createAuthority('next authority');
  const before = await secured.clientAuthority.issue();
  const lasting = secured.client(before);
  expect(await capabilitiesError(lasting)).toBeUndefined();
  await until(secured, RENEWED_CERTIFICATE, () => writeFile(secured.paths.clientCa, next.cert));
  expect(await capabilitiesError(lasting)).toBeUndefined();
  expect((await capabilitiesError(secured.client(before)))?.code).toBe(status.UNAVAILABLE);
  expect(await capabilitiesError(secured.client(await next.issue()))).toBeUndefined();
});

test('a certificate of its own that has expired is warned of, with its date', async () => {
  const notAfter = new Date(Date.now() - 60_000);
  await using secured = await startSecuredService({ pair: (authority) => authority.issue({ notAfter }) });
  const [line] = secured.fixture.logLines.filter(({ level }) => level === 'warn');
  expect(line?.['msg']).toContain('TLS certificate of the service has expired');
  expect(new Date(String(line?.['validTo'])).getTime()).toBe(Math.floor(notAfter.getTime() / 1000) * 1000);
});
