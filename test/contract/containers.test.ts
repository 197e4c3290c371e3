/** Dockerfile, compose.yaml and the values of the NATS chart against the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { imageGenerationConfig, imageGenerationVariables } from '../../services/image-generation/config.ts';
import { archiverVariables, readArchiverConfig } from '../../sidecar/config.ts';
import { archiveStreams } from '../../sidecar/jetstream/topology.ts';
import { contextFiles } from '../_support/image/docker-ignore.ts';
import { IMAGE_ENVIRONMENT } from '../_support/image/image-environment.ts';
import { parseDockerfile } from '../_support/image/dockerfile.ts';
import { AFTER_CALLS_MS, ARCHIVER_STOP_MS } from './kubernetes/stop-times.ts';
import { quantity } from './kubernetes/manifests.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

describe('the Dockerfile', () => {
  const stages = parseDockerfile(read('deploy/Dockerfile'));
  const image = stages.at(-1);

  test('pins each base by its digest', () => {
    expect(stages).toHaveLength(3);
    for (const { base } of stages) expect(base).toMatch(/^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/);
  });

  test("uses one version of Node.js, the repository's", () => {
    const versions = stages.map(({ base }) => /node(?:js|:)(\d+)/.exec(base)?.[1]);
    expect(new Set(versions)).toEqual(new Set([read('.nvmrc').trim()]));
  });

  test('exposes the ports that the programs listen on', () => {
    const { grpcListen, adminListen } = imageGenerationConfig({});
    const { adminListen: archiver } = readArchiverConfig({});
    expect(image?.exposed).toEqual([grpcListen.port, adminListen.port, archiver.port]);
  });

  test('is not run by root, nor by a shell that keeps signals to itself', () => {
    expect(image?.user).toBe('65532:65532');
    expect([image?.entrypoint, image?.command]).toEqual([
      ['node', '--enable-source-maps'],
      ['dist/services/image-generation/main.js'],
    ]);
    expect(image?.steps.some(({ kind }) => kind === 'run')).toBe(false);
  });

  test('sets the allocator and the encoder for sharp, as the benches do', () => {
    const variables = Object.assign(
      {},
      ...(image?.steps ?? []).map((step) => (step.kind === 'env' ? step.variables : {})),
    ) as object;
    expect(variables).toMatchObject(IMAGE_ENVIRONMENT);
  });

  test('is given sources and no more', () => {
    const files = contextFiles(root);
    expect(files).toContain('services/image-generation/main.ts');
    expect(files.filter((path) => /node_modules|^dist|^\.git|\.sekai|\.log$/.test(path))).toEqual([]);
  });
});

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly image?: string;
        readonly environment?: Readonly<Record<string, string>>;
        readonly ports?: readonly string[];
        readonly stop_grace_period?: string;
        readonly read_only?: boolean;
        readonly cap_drop?: readonly string[];
      }
    >
  >;
}

describe('compose.yaml', () => {
  const { services } = parse(read('deploy/compose.yaml'), { merge: true }) as Compose;
  const part = (name: string) => services[name] ?? expect.fail(`no ${name}`);

  test.each([
    ['service', imageGenerationVariables.shape, imageGenerationConfig],
    ['archiver', archiverVariables.shape, readArchiverConfig],
  ] as const)('configures the %s with variables that it knows', (name, shape, readConfig) => {
    const { environment = {} } = part(name);
    const unknown = Object.keys(environment).filter(
      (variable) => !(variable in shape) && !variable.startsWith('AWS_'),
    );
    expect(unknown).toEqual([]);
    expect(() => readConfig(environment)).not.toThrow();
  });

  test('opens ports on the loopback alone, those that the programs listen on', () => {
    const published = Object.values(services).flatMap(({ ports = [] }) => ports);
    expect(published.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
    expect(published.map((port) => port.replace(/.*:/, '')).toSorted()).toEqual([
      '50051',
      '7070',
      '9464',
      '9465',
    ]);
  });

  test('hardens everything that keeps running', () => {
    const soft = Object.entries(services).filter(
      ([, { read_only, cap_drop }]) => !read_only || !cap_drop?.includes('ALL'),
    );
    expect(soft.map(([name]) => name)).toEqual(['folders']);
  });

  test('gives both programs the time that they take to stop', () => {
    const service = imageGenerationConfig({}).stopCallsMs + AFTER_CALLS_MS;
    const graceMs = (name: string): number => 1_000 * Number.parseInt(part(name).stop_grace_period ?? '', 10);
    expect(graceMs('service')).toBeGreaterThan(service);
    expect(graceMs('archiver')).toBeGreaterThan(ARCHIVER_STOP_MS);
  });

  test('logs in as the users of the NATS permissions', () => {
    const permissions = read('deploy/nats/authorization.conf');
    for (const name of ['service', 'archiver']) {
      const { username, password } = new URL(part(name).environment?.['NATS_URL'] ?? '');
      expect(permissions).toContain(`user: ${username}\n`);
      expect(part('nats').environment?.[`${username.toUpperCase().replace('-', '_')}_PASSWORD`]).toBe(
        password,
      );
    }
  });
});

describe('the values of the NATS chart', () => {
  const values = parse(read('deploy/nats/helm-values.yaml')) as {
    config: { cluster: { replicas: number }; jetstream: { fileStore: { pvc: { size: string } } } };
    container: { env: Readonly<Record<string, unknown>> };
  };

  test('give each server a disk of which the streams reserve at most 70 %', () => {
    const reserved = archiveStreams(1).reduce((sum, { max_bytes: bytes }) => sum + Math.max(0, bytes), 0);
    expect(reserved).toBeLessThanOrEqual(0.7 * quantity(values.config.jetstream.fileStore.pvc.size));
  });

  test('give the servers every password that the permissions name', () => {
    const named = [...read('deploy/nats/authorization.conf').matchAll(/password: \$(\w+)/g)].map(
      ([, name]) => name,
    );
    expect(named).toHaveLength(3);
    expect(Object.keys(values.container.env)).toEqual(expect.arrayContaining(named));
  });
});
