import { readFileSync } from 'node:fs';
import { text } from '../../../runtime/environment.ts';
import type { AddFault, RemoteEngineConfig } from '../config.ts';
import { readWorkflow } from './read-workflow.ts';
import type { Workflow } from './workflow.ts';

/** Jobs at once at one engine: ComfyUI runs one, and whatever waits does so here, where every engine can take it. */
export const COMFYUI_CAPACITY = 1;

/** Files in workflows/. */
const SHIPPED_WORKFLOWS: readonly string[] = ['stable-diffusion', 'flux', 'flux-checkpoint'];

export const comfyuiVariables = {
  COMFYUI_WORKFLOW: text(
    'What ComfyUI runs: a shipped workflow, or a file with one.',
    `one of ${SHIPPED_WORKFLOWS.join(', ')}, or the path of a file`,
  ).prefault('stable-diffusion'),
};

export interface ComfyuiConfig extends RemoteEngineConfig {
  readonly kind: 'comfyui';
  readonly workflow: Workflow;
}

/** @param add Takes what does not fit together, and everything that is wrong with the workflow. */
export function comfyuiConfig(
  remote: RemoteEngineConfig,
  add: AddFault,
  read: { readonly COMFYUI_WORKFLOW: string },
): ComfyuiConfig {
  const most = remote.urls.length * COMFYUI_CAPACITY;
  if (most > 0 && remote.concurrency !== undefined && remote.concurrency > most) {
    const expected = `at most ${most}: one generation at once for each of ENGINE_URLS`;
    add('ENGINE_CONCURRENCY', expected, String(remote.concurrency));
  }
  const workflow = configuredWorkflow(read.COMFYUI_WORKFLOW, (expected) =>
    add('COMFYUI_WORKFLOW', expected, read.COMFYUI_WORKFLOW),
  );
  return { kind: 'comfyui', ...remote, workflow };
}

/** The workflow with a shipped name, or in a file. Faults go to `add`; then the result must not be used. */
function configuredWorkflow(nameOrPath: string, add: (expected: string) => void): Workflow {
  const shipped = SHIPPED_WORKFLOWS.includes(nameOrPath);
  const path = shipped ? new URL(`./workflows/${nameOrPath}.json`, import.meta.url) : nameOrPath;
  const content = contentOf(path);
  if (content === undefined) {
    add(`one of ${SHIPPED_WORKFLOWS.join(', ')}, or a file that can be read`);
    return NO_WORKFLOW;
  }
  const name = shipped ? nameOrPath : (/([^/\\]+?)(\.json)?$/.exec(nameOrPath)?.[1] ?? nameOrPath);
  const answer = readWorkflow(name, content);
  if ('workflow' in answer) return answer.workflow;
  for (const expected of answer.expected) add(expected);
  return NO_WORKFLOW;
}

function contentOf(path: string | URL): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Stands in a configuration that is refused. */
const NO_WORKFLOW: Workflow = {
  name: '',
  nodes: {},
  uses: [],
  loraNodeId: undefined,
  defaults: { width: 0, height: 0, steps: 0, guidanceScale: 0, sampler: '', scheduler: '', model: '' },
  families: [],
  modelWords: [],
};
