import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { imageGenerationConfig } from '../../config.ts';
import { fillWorkflow } from './fill-workflow.ts';
import { readWorkflow } from './read-workflow.ts';
import type { Workflow } from './workflow.ts';

const shipped = (name: string): string =>
  readFileSync(new URL(`./workflows/${name}.json`, import.meta.url), 'utf8');

function workflowOf(text: string): Workflow {
  const read = readWorkflow('test', text);
  if ('expected' in read) throw new Error(read.expected.join('\n'));
  return read.workflow;
}

const faultsOf = (file: unknown): readonly string[] => {
  const read = readWorkflow('test', typeof file === 'string' ? file : JSON.stringify(file));
  return 'expected' in read ? read.expected : [];
};

/** A graph as "Export (API)" writes it, with the placeholders that must be there. */
const BARE = {
  '1': { class_type: 'Load', inputs: { file: 'a.safetensors' }, _meta: { title: 'Load' } },
  '2': {
    class_type: 'Sample',
    inputs: {
      model: ['1', 0],
      text: '{{prompt}}',
      width: '{{width}}',
      height: '{{height}}',
      seed: '{{seed}}',
    },
  },
  '3': { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'x/{{ job_id }}' } },
};

describe('a workflow', () => {
  test.each(['stable-diffusion', 'flux', 'flux-checkpoint'])('that is shipped is good: %s', (name) => {
    expect(faultsOf(shipped(name))).toEqual([]);
  });

  test('may be a graph as it was exported', () => {
    expect(workflowOf(JSON.stringify(BARE)).defaults).toMatchObject({ width: 1024, steps: 20 });
  });

  test('that is faulty is told everything at once', () => {
    const faulty = {
      ...BARE,
      '2': { class_type: 'Sample', inputs: { model: ['9', 0], text: '{{promt}}', width: '{{width}}' } },
      '4': { class_type: 'LoraLoader', inputs: { lora_name: '{{lora.name}}' } },
    };
    const faults = faultsOf(faulty).join('\n');
    for (const part of [
      '{{promt}}, which node "2" has in text',
      '{{prompt}} in it',
      '{{height}} in it',
      '{{seed}} in it',
      '{{lora.strength}} in node "4"',
      'node "4" is linked',
      'node "9"',
    ]) {
      expect(faults).toContain(part);
    }
  });

  test.each([
    ['no JSON', 'nonsense', /as JSON/],
    ['a list', '[1]', /as JSON/],
    ['empty', '{}', /nodes with class_type/],
    ['as the pages save it', { last_node_id: 9, nodes: [{ id: 1 }], links: [] }, /Export \(API\)/],
  ])('that is %s is refused', (_, file, expected) => {
    expect(faultsOf(file).join()).toMatch(expected);
  });
});

describe('a filled workflow', () => {
  const sd = workflowOf(shipped('stable-diffusion'));
  const lora = (file: string, strength: number) => ({ file, strength, textEncoderStrength: strength / 2 });
  const values = new Map<string, string | number>([
    ['prompt', 'a {{seed}} "quoted" sea'],
    ['negative_prompt', ''],
    ['seed', 0],
    ['job_id', 'the-id'],
  ]);

  test('keeps types, fills texts, and looks at nothing twice', () => {
    const graph = fillWorkflow(sd, values, []);
    expect(graph['3']?.inputs['text']).toBe('a {{seed}} "quoted" sea');
    expect(graph['6']?.inputs['seed']).toBe(0);
    expect(graph['8']?.inputs['filename_prefix']).toBe('sekai/%year%-%month%-%day%/the-id');
  });

  test('without LoRAs has no node for them', () => {
    const graph = fillWorkflow(sd, values, []);
    expect(Object.values(graph).map((node) => node.class_type)).not.toContain('LoraLoader');
    expect(graph['6']?.inputs['model']).toEqual(['1', 0]);
    expect(graph['3']?.inputs['clip']).toEqual(['1', 1]);
  });

  test('has a chain of as many LoRAs as are asked for, in their order', () => {
    const graph = fillWorkflow(sd, values, [lora('a', 1), lora('b', 0.5), lora('c', -1)]);
    expect(graph['2:1']?.inputs).toEqual({
      model: ['1', 0],
      clip: ['1', 1],
      lora_name: 'a',
      strength_model: 1,
      strength_clip: 0.5,
    });
    expect(graph['2:2']?.inputs).toMatchObject({ model: ['2:1', 0], clip: ['2:1', 1], lora_name: 'b' });
    expect(graph['2:3']?.inputs).toMatchObject({ model: ['2:2', 0], clip: ['2:2', 1], strength_model: -1 });
    expect(graph['6']?.inputs['model']).toEqual(['2:3', 0]);
    expect(graph['4']?.inputs['clip']).toEqual(['2:3', 1]);
    expect(graph['2']).toBeUndefined();
  });
});

describe('the configuration', () => {
  const faultsWith = (environment: Record<string, string>): string => {
    try {
      imageGenerationConfig({ ENGINE: 'comfyui', ENGINE_URLS: 'http://a:8188', ...environment });
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  test('takes a shipped workflow by its name and another by its path', () => {
    expect(faultsWith({})).toBe('');
    const path = new URL('./workflows/flux.json', import.meta.url).pathname;
    expect(faultsWith({ COMFYUI_WORKFLOW: path })).toBe('');
  });

  test('names what is wrong with a workflow beside everything else', () => {
    const path = new URL('./../../../../package.json', import.meta.url).pathname;
    const faults = faultsWith({ COMFYUI_WORKFLOW: path, ENGINE_CONCURRENCY: '2' });
    expect(faults).toMatch(/ENGINE_CONCURRENCY: expected at most 1/);
    expect(faults).toMatch(/COMFYUI_WORKFLOW: expected a workflow of nodes/);
    expect(faultsWith({ COMFYUI_WORKFLOW: 'nonesuch' })).toMatch(
      /COMFYUI_WORKFLOW: expected one of stable-diffusion/,
    );
  });
});
