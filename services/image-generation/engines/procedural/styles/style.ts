import type { Canvas } from '../canvas.ts';
import type { Frame } from '../frame.ts';
import type { Random } from '../random.ts';
import type { Turns } from '../turns.ts';

export interface StyleContext {
  readonly frame: Frame;
  readonly random: Random;
  readonly turns: Turns;
  readonly signal: AbortSignal;
}

/** A LoRA of this engine: changes a finished painting in proportion to its strength. */
export interface Style {
  readonly name: string;
  /** One line for callers, with what a negative strength does. */
  readonly description: string;
  /** `strength` is −2 to 2, never 0. */
  apply(canvas: Canvas, strength: number, context: StyleContext): Promise<Canvas>;
}
