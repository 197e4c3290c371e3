import { sdapiTrial } from '../_support/engines/sdapi-trial.ts';
import { startSdapiSimulator } from '../_support/engines/sdapi-simulator.ts';
import { startSdCppSimulator } from '../_support/engines/sdcpp-simulator.ts';
import { describeEngine } from './engine-conformance.ts';

const WEBUI = {
  deterministic: true,
  seeds: true,
  loras: ['inkstyle', 'watercolour'],
  steps: true,
  previews: true,
  stopsWork: true,
} as const;

describeEngine('sdapi: AUTOMATIC1111 and Forge', {
  start: (options) => sdapiTrial(startSdapiSimulator, options),
  promises: WEBUI,
  faults: {},
});

// No task ids: nothing tells that it is our job that runs, so it is never interrupted.
describeEngine('sdapi: an engine that knows no task ids', {
  start: (options) => sdapiTrial(() => startSdapiSimulator({ flavour: 'global' }), options),
  promises: { ...WEBUI, previews: false, stopsWork: false },
  faults: {},
});

describeEngine('sdapi: stable-diffusion.cpp', {
  start: (options) => sdapiTrial(startSdCppSimulator, options),
  // A job that runs cannot be stopped there (409).
  promises: { ...WEBUI, previews: false, steps: false, stopsWork: false },
  faults: {},
});
