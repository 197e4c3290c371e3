import type { Field } from '../field.ts';
import type { Frame } from '../frame.ts';
import type { Scene } from '../scene.ts';
import type { Turns } from '../turns.ts';

/** What every layer may use. */
export interface Studio {
  readonly scene: Scene;
  readonly frame: Frame;
  readonly turns: Turns;
  readonly signal: AbortSignal;
}

/** A soft layer: paints into the field, giving way to the event loop as it goes. */
export type SoftLayer = (field: Field, studio: Studio) => Promise<void>;

/** A crisp layer: SVG elements in pixel coordinates, drawn by librsvg in libvips' threads. */
export interface Drawing {
  readonly svg: string;
  readonly blend: 'over' | 'screen';
  /** First and last row it may touch, pixels; the whole picture when left out. Fewer rows cost less. */
  readonly top?: number;
  readonly bottom?: number;
}
