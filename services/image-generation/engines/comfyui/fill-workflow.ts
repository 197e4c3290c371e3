import type { PlaceholderValues } from './placeholders.ts';
import { filled } from './placeholders.ts';
import { type Graph, isLink, type Link, linksOf, type Workflow, type WorkflowNode } from './workflow.ts';

/** One LoRA as the engine knows it. */
export interface FilledLora {
  readonly file: string;
  readonly strength: number;
  readonly textEncoderStrength: number;
}

/** Id of the node that applies the LoRA with this index. */
export const loraNodeId = (nodeId: string, index: number): string => `${nodeId}:${index + 1}`;

/**
 * The graph of a job. The LoRA node becomes a chain, each applied to what the one before has made; without LoRAs
 * whoever was linked to it is linked to what it was linked to.
 * @param values Of every placeholder but those of LoRAs.
 */
export function fillWorkflow(
  workflow: Workflow,
  values: PlaceholderValues,
  loras: readonly FilledLora[],
): Graph {
  const { nodes, loraNodeId: loraId } = workflow;
  const loraNode = loraId === undefined ? undefined : nodes[loraId];
  const others = Object.entries(nodes).filter(([id]) => id !== loraId);
  if (loraId === undefined || loraNode === undefined) {
    return Object.fromEntries(others.map(([id, node]) => [id, filledNode(node, values)]));
  }
  const entry = linksOf(loraNode);
  /** What the chain passes on before the LoRA with this index. */
  const before = (index: number): Link[] =>
    index === 0 ? entry : entry.map((_, slot) => [loraNodeId(loraId, index - 1), slot]);
  const chain = loras.map((lora, index) => {
    const ofLora = new Map<string, string | number>([
      ...values,
      ['lora.name', lora.file],
      ['lora.strength', lora.strength],
      ['lora.text_encoder_strength', lora.textEncoderStrength],
    ]);
    const links = before(index);
    const inputs = mapLinks(filledNode(loraNode, ofLora), (link) => links[entry.indexOf(link)] ?? link);
    return [loraNodeId(loraId, index), inputs] as const;
  });
  const passedOn = before(loras.length);
  const rewired = others.map(([id, node]) => {
    const redirect = (link: Link): Link => (link[0] === loraId ? (passedOn[link[1]] ?? link) : link);
    return [id, mapLinks(filledNode(node, values), redirect)] as const;
  });
  return Object.fromEntries([...rewired, ...chain]);
}

/** Links stay the same objects. */
function filledNode(node: WorkflowNode, values: PlaceholderValues): WorkflowNode {
  const inputs = Object.entries(node.inputs).map(([name, value]) => [
    name,
    isLink(value) ? value : filled(value, values),
  ]);
  return { ...node, inputs: Object.fromEntries(inputs) as WorkflowNode['inputs'] };
}

function mapLinks(node: WorkflowNode, change: (link: Link) => Link): WorkflowNode {
  const inputs = Object.entries(node.inputs).map(([name, value]) => [
    name,
    isLink(value) ? change(value) : value,
  ]);
  return { ...node, inputs: Object.fromEntries(inputs) as WorkflowNode['inputs'] };
}
