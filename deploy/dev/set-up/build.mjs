/** Step: dist/ as the sources have it. */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './command.mjs';

const SOURCE_FOLDERS = ['proto', 'services', 'sidecar', 'deploy', 'test'];

/** Files that the programs read beside their code, and so must stand in dist/ as well. */
export const BUILD_ASSETS = [
  { folder: 'proto/gen', name: /\.binpb$/ },
  { folder: 'deploy/nats', name: /\.json$/ },
  { folder: 'services/image-generation/engines/comfyui/workflows', name: /\.json$/ },
];

const stampFile = (root) => join(root, 'dist', '.sekai-stamp');
/** Our own, because `tsc --noEmit` writes the one of tsconfig.json and then believes its output to be there. */
const buildInfoFile = (root) => join(root, 'dist', '.set-up.tsbuildinfo');

/** @param {string} root */
export function isBuilt(root) {
  const sources = listSources(root);
  return readStamp(root) === fingerprint(root, sources) && missingOutput(root, sources) === undefined;
}

/**
 * Compiles and copies the assets.
 * @param {string} root
 * @throws {StepFailure} with the compiler's findings.
 */
export async function build(root) {
  const sources = listSources(root);
  // Taken before the compiler reads: what changes meanwhile makes the next set-up build again.
  const stamp = fingerprint(root, sources);
  if (missingOutput(root, sources) !== undefined) rmSync(buildInfoFile(root), { force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  // Declarations are what a program that imports `sekai-image/client` is checked against.
  const flags = ['--pretty', 'false', '--declaration', '--tsBuildInfoFile', buildInfoFile(root)];
  await run(process.execPath, [compiler, ...flags], { cwd: root });
  for (const path of listAssets(root)) {
    mkdirSync(dirname(join(root, 'dist', path)), { recursive: true });
    copyFileSync(join(root, path), join(root, 'dist', path));
  }
  writeFileSync(stampFile(root), stamp);
}

function readStamp(root) {
  try {
    return readFileSync(stampFile(root), 'utf8');
  } catch {
    return undefined;
  }
}

function fingerprint(root, sources) {
  const hash = createHash('sha256');
  for (const path of [...sources, ...listAssets(root), 'tsconfig.json', 'package-lock.json']) {
    const { mtimeMs, size } = statSync(join(root, path));
    hash.update(`${path} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex');
}

/** The first output that should be there and is not, such as after `rm -r dist/sidecar`. */
function missingOutput(root, sources) {
  const outputs = sources.flatMap((path) => ['.js', '.d.ts'].map((end) => path.replace(/\.ts$/, end)));
  return [...outputs, ...listAssets(root)].find((path) => !existsSync(join(root, 'dist', path)));
}

const listSources = (root) => SOURCE_FOLDERS.flatMap((folder) => listTypeScript(root, folder));

function listTypeScript(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : listTypeScript(root, path);
    return path.endsWith('.ts') && !path.endsWith('.d.ts') ? [path] : [];
  });
}

const listAssets = (root) =>
  BUILD_ASSETS.flatMap(({ folder, name }) => {
    const found = existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [];
    return found.filter((file) => name.test(file)).map((file) => `${folder}/${file}`);
  });
