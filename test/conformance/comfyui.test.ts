import { comfyuiTrial, type ComfyuiTrialOptions } from '../_support/engines/comfyui-trial.ts';
import { describeEngine } from './engine-conformance.ts';

const PROMISES = {
  deterministic: true,
  seeds: true,
  loras: ['inkstyle', 'watercolour'],
  steps: true,
  previews: true,
  stopsWork: true,
} as const;
/** Pictures come as files here, not in base64. */
const FAULTS = { 'cut-base64': 'impossible' } as const;

const on =
  (more: ComfyuiTrialOptions) =>
  (options: ComfyuiTrialOptions = {}) =>
    comfyuiTrial({ ...options, ...more });

describeEngine('comfyui', { start: on({}), promises: PROMISES, faults: FAULTS });

describeEngine('comfyui: an old engine, which makes its own ids and interrupts whatever runs', {
  start: on({ flavour: 'old' }),
  promises: PROMISES,
  faults: FAULTS,
});

describeEngine('comfyui: without a WebSocket', {
  start: on({ socket: 'refused' }),
  promises: { ...PROMISES, steps: false, previews: false },
  faults: FAULTS,
});

// The way of an answer is the same for these: no faults.
describeEngine('comfyui: an engine without /api/jobs', {
  start: on({ flavour: 'targeted' }),
  promises: PROMISES,
});

describeEngine('comfyui: with a WebSocket that says nothing', {
  start: on({ socket: 'silent' }),
  promises: { ...PROMISES, steps: false, previews: false },
});

describeEngine('comfyui: Flux', { start: on({ workflow: 'flux' }), promises: PROMISES });
