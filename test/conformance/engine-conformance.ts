/** What every engine must do, whatever its protocol. One call of `describeEngine` for each. */
import { afterEach, describe } from 'vitest';
import { cancelTests } from './cancel-tests.ts';
import type { EngineHarness, EngineTrial, TrialOptions } from './engine-trial.ts';
import { deathTests, faultTests } from './fault-tests.ts';
import { imageTests } from './image-tests.ts';

export type { EngineHarness, EngineTrial, TrialOptions } from './engine-trial.ts';

/** Registers the suite for one engine. */
export function describeEngine(name: string, harness: EngineHarness): void {
  describe(name, () => {
    let trial: EngineTrial;
    const begin = async (options: TrialOptions = {}): Promise<EngineTrial> => {
      trial = await harness.start(options);
      return trial;
    };
    afterEach(async () => trial.close());

    describe('an image', () => imageTests(harness, begin));
    describe('a cancelled job', () => cancelTests(harness, begin));
    describe.skipIf(harness.faults === undefined)('a failing engine', () => faultTests(harness, begin));
    describe.skipIf(harness.faults === undefined)('an engine that dies', () => deathTests(begin));
  });
}
