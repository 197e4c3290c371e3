/** What `/object_info` says of the nodes that a workflow is made of. */
import { askOptional } from '../http/ask-json.ts';
import type { EngineConnection } from '../http/engine-connection.ts';
import { at, listAt, numberAt } from '../http/json-reading.ts';
import type { Graph, Use, Workflow } from './workflow.ts';

export interface NodeInfo {
  /** Whether the engine has this class of nodes. */
  has(classType: string): boolean;
  /** What may be chosen there; undefined where it is no choice. */
  choices(use: Pick<Use, 'nodeId' | 'input'>): readonly string[] | undefined;
  limits(use: Use | undefined): InputLimits;
}

/** Of a number; absent where the engine names none. */
export interface InputLimits {
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly step: number | undefined;
}

/** Questions at once: an engine that works answers slowly, and others ask it too. */
const AT_ONCE = 4;

/** Asks for the classes of the workflow only: the whole list is megabytes on an engine with many extensions. */
export async function askNodeInfo(
  connection: EngineConnection,
  { nodes }: Workflow,
  signal: AbortSignal,
): Promise<NodeInfo> {
  const classes = [...new Set(Object.values(nodes).map((node) => node.class_type))];
  const ask = async (name: string): Promise<readonly [string, unknown]> => {
    const answer = await askOptional(connection, `/object_info/${encodeURIComponent(name)}`, signal);
    return [name, at(answer, name)];
  };
  const answers = new Map<string, unknown>();
  for (let from = 0; from < classes.length; from += AT_ONCE) {
    const some = await Promise.all(classes.slice(from, from + AT_ONCE).map(ask));
    for (const [name, info] of some) answers.set(name, info);
  }
  return nodeInfo(nodes, answers);
}

/** @param infos Answers by class; undefined for a class that the engine does not have. */
export function nodeInfo(nodes: Graph, infos: ReadonlyMap<string, unknown>): NodeInfo {
  const specOf = ({ nodeId, input }: Pick<Use, 'nodeId' | 'input'>): unknown => {
    const inputs = at(infos.get(nodes[nodeId]?.class_type ?? ''), 'input');
    return at(inputs, 'required', input) ?? at(inputs, 'optional', input);
  };
  return {
    has: (classType) => infos.get(classType) !== undefined,
    choices(use) {
      const spec = listAt(specOf(use));
      // Nodes of the second generation: ["COMBO", {options}]; before: [[…], {}].
      const options = Array.isArray(spec[0])
        ? listAt(spec[0])
        : spec[0] === 'COMBO'
          ? optionsOf(spec[1])
          : undefined;
      return options?.filter((option): option is string => typeof option === 'string');
    },
    limits(use) {
      const options = use === undefined ? undefined : listAt(specOf(use))[1];
      return {
        min: numberAt(options, 'min'),
        max: numberAt(options, 'max'),
        step: numberAt(options, 'step'),
      };
    },
  };
}

/** Undefined for a list that the engine does not tell ("remote" ones). */
const optionsOf = (spec: unknown): readonly unknown[] | undefined =>
  at(spec, 'options') === undefined ? undefined : listAt(spec, 'options');
