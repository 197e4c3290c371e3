/** The containers' environment against the configuration schemas of the programs that will read it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  imageGenerationConfig,
  imageGenerationVariables,
} from '../../../services/image-generation/config.ts';
import { archiverVariables, readArchiverConfig } from '../../../sidecar/config.ts';
import { type Policy, type Process, processes, quantity } from './manifests.ts';
import { fault } from './security.ts';

const SHAPES = { service: imageGenerationVariables.shape, archiver: archiverVariables.shape };

/** Variables of the runtime, not of our programs. */
const RUNTIME = ['NODE_OPTIONS'];

/** What the credential sources of the archiver read, from their own code. */
const AWS = new Set(
  readdirSync(join(import.meta.dirname, '..', '..', '..', 'sidecar', 's3', 'credentials'))
    .filter((file) => !file.endsWith('.test.ts'))
    .flatMap((file) =>
      readFileSync(
        join(import.meta.dirname, '..', '..', '..', 'sidecar', 's3', 'credentials', file),
        'utf8',
      ).match(/AWS_[A-Z_]+[A-Z]/g),
    ),
);

export const variablesAreKnown: Policy = (manifests) =>
  processes(manifests).flatMap(({ program, container, environment }) =>
    Object.keys(environment)
      .filter((name) => !(name in SHAPES[program]) && !RUNTIME.includes(name))
      .filter((name) => !(program === 'archiver' && AWS.has(name)))
      .map((name) => `${container.name}: ${program} knows no variable ${name}`),
  );

/** Required: without a default, or with one that means the machine a developer sits at. */
export const requiredVariablesAreSet: Policy = (manifests) =>
  processes(manifests).flatMap(({ program, container, environment }) =>
    Object.entries(SHAPES[program])
      .filter(([, schema]) => {
        const { defaultValue } = schema.def as { defaultValue?: string };
        if (defaultValue === undefined) return !schema.safeParse(undefined).success;
        return defaultValue.includes('127.0.0.1') || defaultValue.startsWith(tmpdir());
      })
      .filter(([name]) => !environment[name])
      .map(([name]) => `${container.name}: ${name} is not set`),
  );

/** The programs' own readers take the environment as it is. */
export const configurationIsUsable: Policy = (manifests) =>
  processes(manifests).flatMap((process) => {
    try {
      readConfig(process);
      return [];
    } catch (error) {
      return [`${process.container.name}: ${(error as Error).message}`];
    }
  });

export type ReadConfig =
  | ({ readonly program: 'service' } & ReturnType<typeof imageGenerationConfig>)
  | ({ readonly program: 'archiver' } & ReturnType<typeof readArchiverConfig>);

/** @throws {ConfigError} when the program would not start with it. */
export function readConfig({ program, environment }: Process): ReadConfig {
  return withFiles(environment, (usable) =>
    program === 'service'
      ? { program, ...imageGenerationConfig(usable) }
      : { program, ...readArchiverConfig(usable) },
  );
}

const FILE_CONTENTS = ['-----BEGIN CERTIFICATE-----', '-----BEGIN PRIVATE KEY-----'] as const;

/** The files that variables name are a cluster's: here stand-ins take their place, as readers look into them. */
function withFiles<T>(
  environment: Readonly<Record<string, string>>,
  act: (usable: Record<string, string>) => T,
): T {
  const folder = mkdtempSync(join(tmpdir(), 'sekai-files-'));
  try {
    const entries = Object.entries(environment).map(([name, value]) => {
      if (!name.endsWith('_FILE')) return [name, value];
      const path = join(folder, name);
      const [certificate, key] = FILE_CONTENTS;
      writeFileSync(path, /KEY/.test(name) ? key : /CERT|_CA_/.test(name) ? certificate : 'a secret');
      return [name, path];
    });
    return act(Object.fromEntries(entries) as Record<string, string>);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Every file that a variable names is on a mounted volume, read-only. */
export const filesAreMounted: Policy = (manifests) =>
  processes(manifests).flatMap(({ container, environment }) =>
    Object.entries(environment)
      .filter(([name]) => name.endsWith('_FILE'))
      .filter(
        ([, path]) =>
          !container.volumeMounts?.some(
            ({ mountPath, readOnly }) => readOnly && path.startsWith(`${mountPath}/`),
          ),
      )
      .map(([name, path]) => `${container.name}: ${name}=${path} is on no read-only mount`),
  );

/** Room over SPOOL_MAX_BYTES for what a file system adds. */
const SPOOL_OVERHEAD = 1.1;

export const spoolFitsItsVolume: Policy = (manifests) =>
  processes(manifests)
    .filter(({ program }) => program === 'service')
    .flatMap(({ container, environment, workload }) => {
      const mount = container.volumeMounts?.find(({ mountPath }) => mountPath === environment['SPOOL_DIR']);
      const volume = workload.pod.volumes?.find(({ name }) => name === mount?.name);
      const size = quantity(volume?.emptyDir?.sizeLimit ?? workload.claims[mount?.name ?? '']);
      const needed = Number(environment['SPOOL_MAX_BYTES']) * SPOOL_OVERHEAD;
      return [
        ...fault(mount !== undefined && !mount.readOnly, 'SPOOL_DIR is no writable volume of its own'),
        ...fault(volume?.emptyDir?.medium !== 'Memory', 'the spool is in memory'),
        ...fault(size >= needed, `the spool volume has ${size} bytes and needs ${needed}`),
      ];
    });
