/**
 * Renders the overlays, and prod with each component, into rendered/, which the policy tests read: what they judge is
 * kustomize's own work, also on machines without kustomize.
 *
 *   node deploy/kubernetes/render.mjs            renders
 *   node deploy/kubernetes/render.mjs --check    says what of rendered/ is not up to date, and fails then
 *
 * kustomize is built with Go, or is the one that KUSTOMIZE names. Without either --check prints a SKIPPED line.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goTool } from './go-tool.mjs';

/** Needs Go 1.24; v5.8.2 and later need Go 1.27. Its output was the same as that of `kubectl kustomize` (v5.5.0). */
const KUSTOMIZE = 'sigs.k8s.io/kustomize/kustomize/v5@v5.8.1';
const here = import.meta.dirname;
const rendered = join(here, 'rendered');

/** The file's name says what is in it; every component is rendered with prod, and those that go together with each other. */
const RENDERINGS = {
  dev: ['dev'],
  prod: ['prod'],
  ...Object.fromEntries(
    readdirSync(join(here, 'components')).map((component) => [`prod+${component}`, ['prod', component]]),
  ),
  'prod+tls+spool-on-a-volume+monitoring+containers-before-1.29': [
    'prod',
    'tls',
    'spool-on-a-volume',
    'monitoring',
    'containers-before-1.29',
  ],
  'prod+spool-on-a-volume+standalone-archiver': ['prod', 'spool-on-a-volume', 'standalone-archiver'],
};

const HEAD = '# Made by deploy/kubernetes/render.mjs. Not to be edited.\n';

/** With components: a copy of the overlay that lists them, as operators do it. */
function render(kustomize, [overlay, ...components]) {
  const overlays = join(here, 'overlays');
  if (components.length === 0) return HEAD + build(kustomize, join(overlays, overlay));
  const folder = mkdtempSync(join(overlays, '.rendering-'));
  try {
    cpSync(join(overlays, overlay), folder, { recursive: true });
    const file = join(folder, 'kustomization.yaml');
    const list = JSON.stringify(components.map((component) => `../../components/${component}`));
    writeFileSync(file, readFileSync(file, 'utf8').replace('components: []', `components: ${list}`));
    return HEAD + build(kustomize, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const build = (kustomize, folder) =>
  execFileSync(kustomize, ['build', folder], { encoding: 'utf8', maxBuffer: 2 ** 24 });

function main(check) {
  const kustomize = process.env.KUSTOMIZE || goTool('kustomize', KUSTOMIZE);
  if (kustomize === undefined) {
    console.log(
      'SKIPPED rendering of deploy/kubernetes: no Go 1.24 or later on this machine, and no KUSTOMIZE',
    );
    return check ? 0 : 1;
  }
  const wanted = Object.entries(RENDERINGS).map(([name, parts]) => [
    `${name}.yaml`,
    render(kustomize, parts),
  ]);
  const stale = readdirSync(rendered).filter((file) => !wanted.some(([name]) => name === file));
  const different = wanted
    .filter(([name, text]) => text !== contentOf(join(rendered, name)))
    .map(([name]) => name);
  if (check) {
    for (const file of [...stale, ...different]) {
      console.log(`deploy/kubernetes/rendered/${file} is not up to date: node deploy/kubernetes/render.mjs`);
    }
    return stale.length + different.length === 0 ? 0 : 1;
  }
  mkdirSync(rendered, { recursive: true });
  for (const file of stale) rmSync(join(rendered, file));
  for (const [name, text] of wanted) writeFileSync(join(rendered, name), text);
  return 0;
}

function contentOf(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

process.exitCode = main(process.argv.includes('--check'));
