/** A running service with certificates and tokens in files that a test can replace. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Client,
  credentials,
  type ChannelCredentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { type ImageGenerationFixture, startFixture } from './image-generation-fixture.ts';
import { ImageGenerationServiceClient } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { type Authority, createAuthority, type PemPair } from './certificates.ts';

export interface SecuredService {
  readonly fixture: ImageGenerationFixture;
  readonly serverAuthority: Authority;
  readonly clientAuthority: Authority;
  readonly paths: SecurityPaths;
  /** A token whose line is in the file from now on, read or not. */
  writeTokens(tokens: Readonly<Record<string, string>>): Promise<void>;
  /** Replaces certificate and key as Kubernetes does: a symlink to their folder is swapped. */
  swapCertificate(pair: PemPair): Promise<void>;
  client(certificate?: PemPair): ImageGenerationServiceClient;
  channel(certificate?: PemPair): ChannelCredentials;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SecurityPaths {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
  readonly tokens: string;
}

export interface SecuredServiceOptions {
  readonly tls?: boolean;
  readonly clientCertificates?: boolean;
  readonly tokens?: Readonly<Record<string, string>>;
  readonly environment?: Record<string, string>;
  /** The first pair; made here if left out. */
  readonly pair?: (authority: Authority) => Promise<PemPair>;
}

/** How often the service looks at its files in these tests, ms. */
const RELOAD_INTERVAL_MS = 20;

export const newToken = (): string => randomBytes(24).toString('base64url');

export const bearer = (token: string): Metadata => {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return metadata;
};

export const tokenLines = (tokens: Readonly<Record<string, string>>): string =>
  Object.entries(tokens)
    .map(([token, name]) => `${name}:${createHash('sha256').update(token).digest('hex')}\n`)
    .join('');

export async function startSecuredService(options: SecuredServiceOptions = {}): Promise<SecuredService> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-security-'));
  const [serverAuthority, clientAuthority] = await Promise.all([createAuthority(), createAuthority()]);
  const paths = {
    cert: join(directory, '..data', 'tls.crt'),
    key: join(directory, '..data', 'tls.key'),
    clientCa: join(directory, 'ca.crt'),
    tokens: join(directory, 'tokens'),
  };
  let generation = 0;
  const swapCertificate = async ({ cert, key }: PemPair): Promise<void> => {
    const folder = `..${(generation += 1)}`;
    await mkdir(join(directory, folder));
    await Promise.all([
      writeFile(join(directory, folder, 'tls.crt'), cert),
      writeFile(join(directory, folder, 'tls.key'), key),
    ]);
    await symlink(folder, join(directory, '..data_tmp'));
    await rename(join(directory, '..data_tmp'), join(directory, '..data'));
  };
  const writeTokens = async (tokens: Readonly<Record<string, string>>): Promise<void> => {
    await writeFile(`${paths.tokens}.new`, `# for tests\n\n${tokenLines(tokens)}`);
    await rename(`${paths.tokens}.new`, paths.tokens);
  };
  await swapCertificate(await (options.pair?.(serverAuthority) ?? serverAuthority.issue()));
  await writeFile(paths.clientCa, clientAuthority.cert);
  await writeTokens(options.tokens ?? {});
  const { tls = true } = options;
  const fixture = await startFixture(
    {
      ENABLE_INTERNAL_S3_UPLOAD: 'false',
      ...(tls ? { TLS_CERT_FILE: paths.cert, TLS_KEY_FILE: paths.key } : {}),
      ...(options.clientCertificates ? { TLS_CLIENT_CA_FILE: paths.clientCa } : {}),
      ...(options.tokens ? { AUTH_TOKENS_FILE: paths.tokens } : {}),
      ...options.environment,
    },
    { reload: { reloadIntervalMs: RELOAD_INTERVAL_MS } },
  );
  const clients: Client[] = [];
  const channel = (certificate?: PemPair): ChannelCredentials =>
    tls
      ? credentials.createSsl(serverAuthority.cert, certificate?.key ?? null, certificate?.cert ?? null)
      : credentials.createInsecure();
  return {
    fixture,
    serverAuthority,
    clientAuthority,
    paths,
    writeTokens,
    swapCertificate,
    channel,
    client(certificate) {
      const target = fixture.target.replace('127.0.0.1', 'localhost');
      const client = new ImageGenerationServiceClient(target, channel(certificate), {
        'grpc.use_local_subchannel_pool': 1,
      });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.close();
      await fixture[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The error of a GetCapabilities call, undefined when it ended OK. */
export function capabilitiesError(
  client: ImageGenerationServiceClient,
  metadata: Metadata = new Metadata(),
): Promise<ServiceError | undefined> {
  return new Promise((resolve) => {
    client.getCapabilities({}, metadata, { deadline: Date.now() + 10_000 }, (error) => {
      resolve(error ?? undefined);
    });
  });
}
