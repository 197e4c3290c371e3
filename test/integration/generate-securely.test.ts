/** sekai-generate against a service with TLS and tokens. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runGenerate } from '../../services/client/generate-command.ts';
import { newToken, type SecuredService, startSecuredService } from '../_support/secured-service.ts';
import { textCollector } from '../_support/text-collector.ts';

const token = newToken();

async function generate(
  { fixture }: SecuredService,
  flags: readonly string[],
  environment: Record<string, string> = {},
) {
  const stdout = textCollector();
  const stderr = Object.assign(textCollector(), { isTTY: false });
  const { signal } = new AbortController();
  const output = join(fixture.directory, 'out.jpg');
  const target = fixture.target.replace('127.0.0.1', 'localhost');
  const sizes = ['--width', '64', '--height', '64', '--attempts', '1', '-q'];
  const code = await runGenerate(['a sea', '-o', output, ...sizes, '--target', target, ...flags], {
    stdout,
    stderr,
    signal,
    environment,
  });
  const printed = stdout.text() + stderr.text();
  expect(printed).not.toContain(token);
  return { code, printed };
}

/** Files for the flags. */
async function filesOf({ fixture, serverAuthority, clientAuthority }: SecuredService) {
  const file = async (name: string, content: string | Buffer): Promise<string> => {
    const path = join(fixture.directory, name);
    await writeFile(path, content);
    return path;
  };
  const pair = await clientAuthority.issue({ commonName: 'tester', names: [] });
  return {
    ca: await file('ca.pem', serverAuthority.cert),
    cert: await file('client.pem', pair.cert),
    key: await file('client.key', pair.key),
    token: await file('token', `${token}\n`),
  };
}

test('with authorities, certificate and token from files it gets its image', async () => {
  await using secured = await startSecuredService({
    clientCertificates: true,
    tokens: { [token]: 'studio' },
  });
  const { ca, cert, key, token: tokenFile } = await filesOf(secured);
  const tls = ['--tls-ca', ca, '--tls-cert', cert, '--tls-key', key];
  expect(await generate(secured, [...tls, '--token-file', tokenFile])).toMatchObject({ code: 0 });
  expect(await generate(secured, tls, { SEKAI_TOKEN: token })).toMatchObject({ code: 0 });
  const { code, printed } = await generate(secured, tls);
  expect([code, printed]).toEqual([
    1,
    expect.stringMatching(/UNAUTHENTICATED.*\n.*--token-file or SEKAI_TOKEN/),
  ]);
});

test('over plaintext it sends the token to this machine only', async () => {
  await using secured = await startSecuredService({ tls: false, tokens: { [token]: 'studio' } });
  expect(await generate(secured, [], { SEKAI_TOKEN: token })).toMatchObject({ code: 0 });
  const away = await generate(secured, ['--target', 'sekai-image.example:50051'], { SEKAI_TOKEN: token });
  expect(away).toEqual({
    code: 1,
    printed: 'a token is not sent over plaintext to sekai-image.example:50051: use TLS\n',
  });
});

test('without the authority of the server it does not go on, whatever it would show', async () => {
  await using secured = await startSecuredService({ tokens: { [token]: 'studio' } });
  const { code, printed } = await generate(secured, ['--tls'], { SEKAI_TOKEN: token });
  expect([code, printed]).toEqual([1, expect.stringMatching(/UNAVAILABLE.*\n.*\nDo both sides speak TLS/)]);
  expect(secured.fixture.logLines.filter(({ msg }) => msg === 'call ended')).toEqual([]);
});

test('a file that is not there is named, without a stack', async () => {
  await using secured = await startSecuredService();
  const { printed } = await generate(secured, ['--tls-ca', '/nowhere/ca.pem']);
  expect(printed).toMatch(/^ENOENT.*\/nowhere\/ca\.pem'\n$/);
});
