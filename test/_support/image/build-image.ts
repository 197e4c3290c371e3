/**
 * Does what the Dockerfile says without a container engine: each stage in a folder of its own under a scratch folder,
 * each RUN and the start as the image's user, never as root. Two things differ from a container: the bases are this
 * machine's Node.js, and paths outside the working folder are this machine's.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { contextFiles } from './docker-ignore.ts';
import { type ImageStage, parseDockerfile } from './dockerfile.ts';

export interface BuiltImage {
  /** The image's working folder: owned by root, read-only for everybody else. */
  readonly folder: string;
  /** ENV of the image. */
  readonly environment: Readonly<Record<string, string>>;
  /** ENTRYPOINT and CMD. */
  readonly stage: ImageStage;
  /** A new folder that belongs to the image's user. */
  writableFolder(name: string): string;
  /** Runs a command as the image's user in its working folder. */
  readonly spawn: (
    command: readonly string[],
    environment: Record<string, string>,
  ) => ReturnType<typeof spawn>;
  remove(): void;
}

const USER_ID = 65_532;
const DROP = ['--reuid', `${USER_ID}`, '--regid', `${USER_ID}`, '--clear-groups', '--no-new-privs'];

/** Why the image's steps cannot be run here, or undefined. */
export function whyNoImage(): string | undefined {
  if (!process.env['CI']) return 'two installations and a build take minutes; CI=true runs them';
  if (process.getuid?.() !== 0) return 'only root can become another user';
  if (spawnSync('setpriv', ['--version']).status !== 0) return 'no setpriv on this machine';
  return undefined;
}

/** @throws {Error} with what a step printed when it fails. */
export async function buildImage(root: string): Promise<BuiltImage> {
  const scratch = await mkdtemp(join(tmpdir(), 'sekai-image-steps-'));
  const remove = (): void => rmSync(scratch, { recursive: true, force: true });
  try {
    chmodSync(scratch, 0o755);
    return { ...(await buildIn(scratch, root)), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

async function buildIn(scratch: string, root: string): Promise<Omit<BuiltImage, 'remove'>> {
  const stages = parseDockerfile(readFileSync(join(root, 'deploy', 'Dockerfile'), 'utf8'));
  const home = ownedFolder(scratch, 'home');
  for (const stage of stages.slice(0, -1)) await buildStage(stage, root, scratch, home);
  const stage = stages.at(-1);
  if (stage?.user !== `${USER_ID}:${USER_ID}`) throw new Error('Dockerfile: the last stage has another user');
  const { folder, environment } = await buildStage(stage, root, scratch, home);
  giveAway(folder, 0);
  return {
    folder,
    environment,
    stage,
    writableFolder: (name) => ownedFolder(scratch, name),
    spawn: (command, more) =>
      spawn('setpriv', [...DROP, '--inh-caps=-all', '--bounding-set=-all', ...command], {
        cwd: folder,
        env: { ...withThisNode(environment), ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
  };
}

/** The distroless base has its Node.js in a folder that is not there on this machine. */
const withThisNode = (environment: Readonly<Record<string, string>>): Record<string, string> => ({
  ...environment,
  PATH: (environment['PATH'] ?? '').replace('/nodejs/bin', dirname(process.execPath)),
});

function ownedFolder(scratch: string, name: string): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  chownSync(folder, USER_ID, USER_ID);
  return folder;
}

async function buildStage(
  stage: ImageStage,
  root: string,
  scratch: string,
  home: string,
): Promise<{ folder: string; environment: Record<string, string> }> {
  const stageRoot = join(scratch, 'stages', stage.name);
  let folder = stageRoot;
  const environment: Record<string, string> = {};
  for (const step of stage.steps) {
    if (step.kind === 'workdir') folder = join(stageRoot, step.path);
    mkdirSync(folder, { recursive: true });
    if (step.kind === 'env') Object.assign(environment, step.variables);
    if (step.kind === 'copy') {
      for (const source of step.sources) {
        const target = join(folder, step.target);
        if (step.from === undefined) copyContext(root, source, target);
        else
          cpSync(join(scratch, 'stages', step.from, source), target, {
            recursive: true,
            verbatimSymlinks: true,
          });
      }
    }
    if (step.kind === 'run') {
      giveAway(folder, USER_ID);
      await runStep(step.command, folder, {
        HOME: home,
        PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
        ...environment,
      });
    }
  }
  return { folder, environment };
}

function copyContext(root: string, source: string, target: string): void {
  const files = contextFiles(root).filter((path) => source === '.' || path === source);
  if (files.length === 0) throw new Error(`COPY ${source}: .dockerignore leaves nothing of it`);
  for (const path of files) cpSync(join(root, path), join(target, path));
}

/** Not synchronous: a test runner whose event loop stands still for a minute is given up. */
async function runStep(command: string, folder: string, env: Record<string, string>): Promise<void> {
  try {
    await promisify(execFile)('setpriv', [...DROP, '/bin/sh', '-c', command], { cwd: folder, env });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`RUN ${command}\n${stdout}${stderr}`, { cause: error });
  }
}

/** Changes owner and, for root's, takes everybody else's leave to write. */
function giveAway(path: string, owner: number): void {
  const entry = lstatSync(path);
  if (entry.isSymbolicLink()) return;
  chownSync(path, owner, owner);
  if (owner === 0) chmodSync(path, entry.mode & 0o755);
  if (entry.isDirectory()) for (const name of readdirSync(path)) giveAway(join(path, name), owner);
}
