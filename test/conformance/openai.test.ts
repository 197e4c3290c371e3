import { openaiTrial } from '../_support/engines/openai-trial.ts';
import { describeEngine, type EngineHarness } from './engine-conformance.ts';

const NOTHING_TOLD = { steps: false, previews: false } as const;
const RUNS_OUT: EngineHarness['promises'] = {
  ...NOTHING_TOLD,
  deterministic: true,
  seeds: true,
  stopsWork: false,
};

// A model of its own: OpenAI's make no pictures as small as the suite's.
describeEngine('openai: the plain protocol', {
  start: (options) => openaiTrial({}, { models: ['studio-image'] }, options),
  promises: {
    ...NOTHING_TOLD,
    deterministic: false,
    seeds: false,
    stopsWork: true,
    heard: ['prompt', 'width', 'height', 'model'],
  },
  faults: {},
});

describeEngine('openai: vLLM-Omni', {
  start: (options) =>
    openaiTrial({ flavour: 'vllm-omni' }, { loras: new Map([['inkstyle', '/srv/loras/ink']]) }, options),
  promises: { ...RUNS_OUT, loras: ['inkstyle'] },
  faults: {},
});

describeEngine('openai: SGLang', {
  start: (options) => openaiTrial({ flavour: 'sglang' }, {}, options),
  promises: RUNS_OUT,
});

// Takes no seed of zero, which the suite's test of determinism uses.
describeEngine('openai: LocalAI', {
  start: (options) => openaiTrial({ flavour: 'localai' }, {}, options),
  promises: { ...RUNS_OUT, deterministic: false, stopsWork: true },
  faults: {},
});

describeEngine('openai: OpenVINO Model Server', {
  start: (options) => openaiTrial({ flavour: 'ovms' }, {}, options),
  promises: RUNS_OUT,
});

describeEngine('openai: Lemonade', {
  start: (options) => openaiTrial({ flavour: 'lemonade' }, {}, options),
  promises: RUNS_OUT,
});
