/** The controls over a simulated GPU behind HTTP, the same for every protocol. */
import { randomUUID } from 'node:crypto';
import type { EngineFault, EngineSimulator, SimulatedJob } from './engine-simulator.ts';
import type { SimulatedGpu } from './simulated-gpu.ts';
import type { SimulatorHttp } from './simulator-http.ts';

/** What the controls reach into. */
export interface ControlledWorld {
  readonly gpu: SimulatedGpu;
  /** Of the next job. */
  fault: EngineFault | undefined;
}

/** @param forget Drops what the protocol remembers beside the GPU, when the simulator is killed. */
export function simulatorControls(
  world: ControlledWorld,
  http: SimulatorHttp,
  forget = (): void => {},
): EngineSimulator {
  const lose = (): void => {
    world.gpu.reset();
    forget();
  };
  return {
    url: http.url,
    jobs: world.gpu.jobs,
    get sockets() {
      return http.sockets;
    },
    hold: () => world.gpu.hold(),
    letGo: () => world.gpu.letGo(),
    spoil(fault) {
      world.fault = fault;
    },
    async kill() {
      lose();
      await http.kill();
    },
    restart: () => http.restart(),
    async close() {
      lose();
      await http.close();
    },
  };
}

export interface SharedWorld extends ControlledWorld {
  interrupts: number;
  readonly bodies: Record<string, unknown>[];
  /** Ids of jobs of others. */
  readonly foreign: Set<string>;
}

/** An engine that others use too; its `jobs` are those that came by HTTP. */
export interface SharedEngineSimulator extends EngineSimulator {
  /** Runs a job of another user of the same engine. */
  foreignJob(steps: number): { readonly state: string };
  /** Interrupts received. */
  readonly interrupts: number;
  /** Bodies of requests for a picture as they came. */
  readonly bodies: readonly Readonly<Record<string, unknown>>[];
}

/** @param sampler Of the jobs of others, as the engine calls it. */
export function sharedEngineControls(
  world: SharedWorld,
  http: SimulatorHttp,
  sampler: string,
  forget?: () => void,
): SharedEngineSimulator {
  return withControls(simulatorControls(world, http, forget), {
    get jobs() {
      return world.gpu.jobs.filter(({ id }) => !world.foreign.has(id));
    },
    get interrupts() {
      return world.interrupts;
    },
    bodies: world.bodies,
    foreignJob(steps: number) {
      const id = randomUUID();
      world.foreign.add(id);
      return world.gpu.submit(id, { ...FOREIGN, sampler, steps }).job;
    },
  });
}

const FOREIGN: Omit<SimulatedJob, 'sampler' | 'steps'> = {
  prompt: 'of somebody else',
  negativePrompt: '',
  width: 64,
  height: 64,
  seed: 1,
  guidanceScale: 7,
  model: 'dreamshaper_8',
  loras: [],
};

/** `controls` and `more`. Unlike a spread, it leaves a getter a getter. */
export const withControls = <C extends object, M extends object>(controls: C, more: M): C & M =>
  Object.defineProperties(controls, Object.getOwnPropertyDescriptors(more)) as C & M;
