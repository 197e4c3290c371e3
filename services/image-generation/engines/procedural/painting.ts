import { EngineError } from '../../errors.ts';
import type { LoraApplication } from '../../image-engine.ts';
import { type Canvas, develop, scaleTo } from './canvas.ts';
import { createEasel, type Easel } from './easel.ts';
import { createField, type Field } from './field.ts';
import { ditherOverlay, drawFinish } from './finishing.ts';
import type { SoftLayer, Studio } from './layers/layer.ts';
import { type Layer, planPicture } from './picture-plan.ts';
import { createRandom } from './random.ts';
import { STYLES } from './styles/all-styles.ts';

/** Field pixels at the default number of steps, and more for each step above it. */
const FIELD_PIXELS = 120_000;
const FIELD_PIXELS_PER_STEP = 3_000;

/** One picture in the making. */
export interface Painting {
  /** Does the work of one step, 0 to steps − 1, in order. */
  paint(step: number): Promise<void>;
  /** The picture so far; at its full size from the first crisp layer on, at the latest after the last step. */
  canvas(): Promise<Canvas>;
}

export interface PaintingOptions {
  readonly steps: number;
  readonly loras: readonly LoraApplication[];
  readonly seed: number;
  /** Size of the finished picture, pixels; the studio's frame may be smaller. */
  readonly width: number;
  readonly height: number;
}

type Pass =
  | { readonly on: 'field'; readonly run: SoftLayer }
  | { readonly on: 'easel'; run(easel: Easel): Promise<void> };

/** What the next pass paints on. */
type Ground =
  | { readonly on: 'field'; readonly field: Field }
  | { readonly on: 'easel'; readonly easel: Easel };

/**
 * Spreads all passes over exactly `steps` steps. LoRAs of strength 0 leave no trace, not even in the spreading
 * of the others.
 * @throws {EngineError} REJECTED for a LoRA that is not one of STYLES.
 */
export function createPainting(
  studio: Studio,
  { steps, loras, seed, width, height }: PaintingOptions,
): Painting {
  const fieldPixels = FIELD_PIXELS + FIELD_PIXELS_PER_STEP * Math.max(-10, steps - 12);
  // One of the two at a time: the field is a megabyte and a half that nothing needs beside the canvas.
  let ground: Ground = { on: 'field', field: createField(studio.frame, fieldPixels) };
  const passes = [
    ...planPicture(studio.scene, steps).map((layer) => layerPass(layer, studio)),
    onEasel(async (easel) => easel.add(await drawFinish(await easel.canvas(), studio))),
    ...loras
      .filter(({ strength }) => strength !== 0)
      .map((lora, index) => stylePass(lora, index, seed, studio)),
    onEasel(async (easel) => {
      easel.replace(await scaleTo(await easel.canvas(), { width, height }));
      studio.signal.throwIfAborted();
      easel.addOverlay(ditherOverlay(studio));
    }),
  ];
  const toEasel = async (): Promise<Easel> => {
    if (ground.on === 'easel') return ground.easel;
    const canvas = await scaleTo(await developed(ground.field, studio), studio.frame);
    ground = { on: 'easel', easel: createEasel(canvas, studio.frame) };
    return ground.easel;
  };
  return {
    async paint(step) {
      const from = Math.floor((step * passes.length) / steps);
      const to = Math.floor(((step + 1) * passes.length) / steps);
      for (const pass of passes.slice(from, to)) {
        studio.signal.throwIfAborted();
        if (pass.on === 'easel') await pass.run(await toEasel());
        // planPicture has the soft layers first.
        else if (ground.on === 'field') await pass.run(ground.field, studio);
      }
      if (ground.on === 'easel') await ground.easel.canvas();
    },
    canvas: () => (ground.on === 'easel' ? ground.easel.canvas() : developed(ground.field, studio)),
  };
}

function developed(field: Field, { scene, turns, signal }: Studio): Promise<Canvas> {
  return develop(field, scene.random('develop'), turns, signal);
}

function onEasel(run: (easel: Easel) => Promise<void>): Pass {
  return { on: 'easel', run };
}

function layerPass(layer: Layer, studio: Studio): Pass {
  if (layer.kind === 'soft') return { on: 'field', run: layer.paint };
  return onEasel(async (easel) => {
    if (layer.kind === 'crisp') easel.add(await layer.draw(studio));
    else easel.replace(await layer.apply(await easel.canvas(), studio));
  });
}

function stylePass(
  lora: LoraApplication,
  index: number,
  seed: number,
  { frame, turns, signal }: Studio,
): Pass {
  const style = STYLES.find(({ name }) => name === lora.name);
  if (!style) throw new EngineError('REJECTED', 'the procedural engine has no such LoRA');
  return onEasel(async (easel) => {
    const random = createRandom(seed, `style ${index} ${lora.name}`);
    easel.replace(await style.apply(await easel.canvas(), lora.strength, { frame, random, turns, signal }));
  });
}
