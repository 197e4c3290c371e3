import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const HERE = dirname(fileURLToPath(import.meta.url));
const TYPESCRIPT = join(HERE, '..', '..', 'node_modules', 'typescript');

// Each test starts the real compiler several times.
vi.setConfig({ testTimeout: 120_000 });

let root: string;

/** A clone in small: our set-up, the real compiler, and an npm that only knows how to put the compiler there. */
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sekai-set-up-'));
  await cp(join(HERE, 'set-up.mjs'), join(root, 'deploy/dev/set-up.mjs'), { recursive: true });
  await cp(join(HERE, 'set-up'), join(root, 'deploy/dev/set-up'), { recursive: true });
  await write('package.json', '{"name":"clone","type":"module"}');
  await write('package-lock.json', '{"packages":{"":{},"node_modules/typescript":{"version":"7"}}}');
  await write(
    'tsconfig.json',
    '{"compilerOptions":{"strict":true,"types":[],"module":"nodenext","target":"es2023","rootDir":".","outDir":"dist","incremental":true,"tsBuildInfoFile":"dist/.tsbuildinfo"},"include":["proto","services"]}',
  );
  await write('proto/contract.ts', 'export const answer: number = 42;\n');
  await write('proto/gen/descriptor_set.binpb', 'descriptors');
  await write('deploy/nats/events.stream.json', '{}');
  await write(
    'npm/npm-cli.js',
    `import { appendFileSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
     appendFileSync('npm-runs', process.argv.slice(2).join(' ') + '\\n');
     if (process.env.NPM_FAILS) { console.error('first line\\nnpm error no such package'); process.exit(7); }
     rmSync('node_modules', { recursive: true, force: true });
     mkdirSync('node_modules');
     symlinkSync(${JSON.stringify(TYPESCRIPT)}, 'node_modules/typescript');`,
  );
});

afterEach(() => rm(root, { recursive: true }));

const write = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
};
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');
const exists = (path: string): Promise<boolean> =>
  stat(join(root, path)).then(
    () => true,
    () => false,
  );
const npmRuns = async (): Promise<number> =>
  (await exists('npm-runs')) ? (await read('npm-runs')).trimEnd().split('\n').length : 0;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function setUp(
  flags: readonly string[] = ['--no-nats'],
  more: Record<string, string> = {},
  onStderr?: (text: string) => void,
): Promise<Outcome> {
  const environment = { npm_execpath: join(root, 'npm/npm-cli.js'), ...more };
  return runNode([join(root, 'deploy/dev/set-up.mjs'), ...flags], environment, onStderr);
}

async function runNode(
  args: readonly string[],
  more: Record<string, string>,
  onStderr?: (text: string) => void,
): Promise<Outcome> {
  const environment = { PATH: process.env['PATH'] ?? '', HOME: root, ...more };
  const child = spawn(process.execPath, args, { cwd: root, env: environment });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onStderr?.(stderr);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

describe('packages and build', () => {
  it('does everything on a fresh clone, and nothing the second time', async () => {
    const first = await setUp();
    expect(first.stderr).toMatch(
      /^set-up: installing packages \(npm ci\) … \d+\.\d s\nset-up: building \(tsc\) … \d+\.\d s\n$/,
    );
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(await read('npm-runs')).toMatch(/^ci --include=dev /);
    expect(await read('dist/proto/contract.js')).toContain('42');
    expect(await exists('dist/proto/gen/descriptor_set.binpb')).toBe(true);
    expect(await exists('dist/deploy/nats/events.stream.json')).toBe(true);
    expect(await setUp()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await npmRuns()).toBe(1);
    expect(await readdir(join(root, '.sekai'))).toEqual([]);
  });

  it('builds again when a source, an asset or an output is not what it was', async () => {
    await setUp();
    await write('proto/contract.ts', 'export const answer: number = 43;\n');
    expect((await setUp()).stderr).toMatch(/^set-up: building \(tsc\) … \d+\.\d s\n$/);
    expect(await read('dist/proto/contract.js')).toContain('43');
    await write('deploy/nats/events.stream.json', '{"max_age":1}');
    await setUp();
    expect(await read('dist/deploy/nats/events.stream.json')).toContain('max_age');
    await rm(join(root, 'dist/proto/contract.js'));
    await setUp();
    expect(await read('dist/proto/contract.js')).toContain('43');
    expect(await npmRuns()).toBe(1);
  });

  it('builds after a type check without output', async () => {
    await setUp();
    await write('proto/contract.ts', 'export const answer: number = 44;\n');
    await runNode([join(TYPESCRIPT, 'bin/tsc'), '--noEmit'], {});
    await setUp();
    expect(await read('dist/proto/contract.js')).toContain('44');
  });

  it('installs again when the lock file has changed', async () => {
    await setUp();
    await write('package-lock.json', '{"packages":{"":{},"node_modules/typescript":{"version":"8"}}}');
    await setUp();
    expect(await npmRuns()).toBe(2);
  });

  it('accepts what npm install has put there', async () => {
    await mkdir(join(root, 'node_modules'));
    await symlink(TYPESCRIPT, join(root, 'node_modules/typescript'));
    await write(
      'node_modules/.package-lock.json',
      '{"packages":{"node_modules/typescript":{"version":"7"}}}',
    );
    expect((await setUp()).code).toBe(0);
    expect(await npmRuns()).toBe(0);
  });

  it('installs over packages of other versions', async () => {
    await write(
      'node_modules/.package-lock.json',
      '{"packages":{"node_modules/typescript":{"version":"6"}}}',
    );
    expect((await setUp()).code).toBe(0);
    expect(await npmRuns()).toBe(1);
  });

  it('shows the command and its last lines when npm fails, and tries again the next time', async () => {
    const { code, stderr } = await setUp(['--no-nats'], { NPM_FAILS: '1' });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /npm-cli\.js ci .*: exit code 7\n {2}first line\n {2}npm error no such package\n$/,
    );
    expect((await setUp()).code).toBe(0);
  });

  it('shows the findings of the compiler, and builds when they are mended', async () => {
    await write('services/wrong.ts', 'export const answer: number = "42";\n');
    const { code, stderr } = await setUp();
    expect(code).toBe(1);
    expect(stderr).toContain('services/wrong.ts(1,14): error TS2322');
    await write('services/wrong.ts', 'export const answer = "42";\n');
    expect((await setUp()).code).toBe(0);
  });

  it('only builds with --build-only', async () => {
    await mkdir(join(root, 'node_modules'));
    await symlink(TYPESCRIPT, join(root, 'node_modules/typescript'));
    expect((await setUp(['--build-only'])).code).toBe(0);
    expect(await npmRuns()).toBe(0);
    expect(await exists('dist/proto/contract.js')).toBe(true);
  });

  it('works without a home folder', async () => {
    expect((await setUp(['--no-nats'], { HOME: '/nonexistent' })).code).toBe(0);
    expect((await setUp(['--no-nats'], { HOME: '' })).code).toBe(0);
  });

  it('refuses options it does not know', async () => {
    expect(await setUp(['--fast'])).toMatchObject({ code: 64 });
  });
});

describe('two at once', () => {
  it('do the work once', async () => {
    const outcomes = await Promise.all([setUp(), setUp(), setUp()]);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(await npmRuns()).toBe(1);
    expect(await readdir(join(root, '.sekai'))).toEqual([]);
  });

  it('are not stopped by the lock of a process that was killed', async () => {
    const dead = spawn(process.execPath, ['-e', '']);
    await once(dead, 'close');
    await write('.sekai/set-up.lock/owner', `${hostname()} ${dead.pid} 1`);
    expect((await setUp()).code).toBe(0);
    expect(await readdir(join(root, '.sekai'))).toEqual([]);
  });

  it('wait for a process that lives', async () => {
    await write('.sekai/set-up.lock/owner', `${hostname()} ${process.pid} 1`);
    let told = (): void => {};
    const isTold = new Promise<void>((resolve) => {
      told = resolve;
    });
    const waiting = setUp(['--no-nats'], {}, (text) => {
      if (text.includes('waiting')) told();
    });
    const first = await Promise.race([waiting.then(() => 'done'), isTold.then(() => 'told')]);
    expect(first).toBe('told');
    expect(await npmRuns()).toBe(0);
    await rm(join(root, '.sekai/set-up.lock'), { recursive: true });
    const { code, stderr } = await waiting;
    expect(code).toBe(0);
    expect(stderr).toContain(`waiting for another set-up (process ${process.pid})`);
  });
});

describe('Node.js', () => {
  it('is refused when it is too old', async () => {
    const code = `import { nodeFault } from './deploy/dev/set-up.mjs';
      for (const v of ['v18.20.0', 'v20.18.0', 'v20.18.1', 'v20.19.0', 'v22.0.0'])
        console.log(v, nodeFault(v)?.split('\\n')[0].split(' (')[0] ?? 'good');`;
    const { stdout } = await runNode(['--input-type=module', '-e', code], {});
    expect(stdout.split('\n')).toEqual([
      'v18.20.0 Node.js 20.18.1 or newer is needed, this is v18.20.0',
      'v20.18.0 Node.js 20.18.1 or newer is needed, this is v20.18.0',
      'v20.18.1 good',
      'v20.19.0 good',
      'v22.0.0 good',
      '',
    ]);
  });
});

describe('nats-server', () => {
  const script = async (name: string, text: string): Promise<void> => {
    await write(`bin/${name}`, `#!/bin/sh\n${text}\n`);
    await chmod(join(root, 'bin', name), 0o755);
  };
  /** Runs one of the module's functions where PATH has only our own commands and the shell's. */
  const call = (expression: string, more: Record<string, string> = {}): Promise<Outcome> =>
    runNode(
      [
        '--input-type=module',
        '-e',
        `import { findNatsServer, installNatsServer } from './deploy/dev/set-up/nats-server.mjs';
         try { console.log(${expression}); } catch (error) { console.log(error.message); process.exit(1); }`,
      ],
      { PATH: [join(root, 'bin'), join(root, 'tools')].join(delimiter), ...more },
    );
  const find = 'findNatsServer(process.cwd(), process.env, [])';

  beforeEach(async () => {
    await mkdir(join(root, 'tools'));
    await symlink('/bin/cp', join(root, 'tools/cp'));
  });

  it('is found by its variable, on PATH, or in .sekai/bin, in this order', async () => {
    expect((await call(find)).stdout).toBe('undefined\n');
    await write('.sekai/bin/nats-server', '');
    expect((await call(find)).stdout).toBe('undefined\n');
    await chmod(join(root, '.sekai/bin/nats-server'), 0o755);
    expect((await call(find)).stdout).toBe(`${root}/.sekai/bin/nats-server\n`);
    await script('nats-server', '');
    expect((await call(find)).stdout).toBe(`${root}/bin/nats-server\n`);
    await script('other', '');
    expect((await call(find, { NATS_SERVER_BIN: 'bin/other' })).stdout).toBe(`${root}/bin/other\n`);
    const wrong = await call(find, { NATS_SERVER_BIN: '/none' });
    expect(wrong).toMatchObject({ code: 1, stdout: 'NATS_SERVER_BIN=/none is not an executable file\n' });
  });

  it('is built with go where go is, for this machine and without a home', async () => {
    await script(
      'go',
      'test -z "$GOOS" && test -n "$HOME" && echo "$@" > go-arguments && cp "$0" "$GOBIN/nats-server"',
    );
    const { code, stdout } = await call('await installNatsServer(process.cwd())', {
      GOOS: 'plan9',
      HOME: '',
    });
    expect(stdout).toBe('with go install\n');
    expect(code).toBe(0);
    expect((await call(find)).stdout).toBe(`${root}/.sekai/bin/nats-server\n`);
    expect(await readdir(join(root, '.sekai'))).toEqual(['bin', 'home']);
  });

  it('tries the next way when one fails, and says what to do when all have', async () => {
    await script('go', 'echo no network >&2; exit 3');
    await script('apt-get', 'echo "E: Unable to locate package $2"; exit 100');
    await script('dpkg-deb', '');
    await script('sudo', 'echo a password is required; exit 1');
    const { code, stdout } = await call('await installNatsServer(process.cwd())');
    expect(code).toBe(1);
    expect(stdout).toMatch(/go install failed\. go install github\.com.*: exit code 3\n {2}no network/);
    expect(stdout).toMatch(/apt-get failed\. .*apt-get update: exit code/);
    expect(stdout).toContain('brew install nats-server');
    expect(await readdir(join(root, '.sekai'))).toEqual([]);
  });
});
