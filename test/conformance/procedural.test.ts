import { createProceduralEngine } from '../../services/image-generation/engines/procedural/procedural-engine.ts';
import { describeEngine } from './engine-conformance.ts';

describeEngine('procedural', {
  start: async () => ({ engine: createProceduralEngine(), close: async () => {} }),
  promises: {
    deterministic: true,
    seeds: true,
    loras: ['watercolor', 'film-grain'],
    steps: true,
    previews: true,
    stopsWork: true,
  },
});
