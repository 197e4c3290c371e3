import { pipeline, toCanvas } from '../canvas.ts';
import type { Style } from './style.ts';

type Matrix = [[number, number, number], [number, number, number], [number, number, number]];

/** Old print: warm browns, weak blues. */
const FADED: Matrix = [
  [0.56, 0.42, 0.12],
  [0.3, 0.56, 0.12],
  [0.22, 0.34, 0.32],
];

export const vintage: Style = {
  name: 'vintage',
  description: 'Faded warm print with lifted blacks; negative strengths give cool, deep, modern colours.',
  apply(canvas, strength) {
    const share = strength * (strength > 0 ? 0.75 : 0.3);
    const matrix = FADED.map((row, i) =>
      row.map((value, j) => (i === j ? 1 : 0) + (value - (i === j ? 1 : 0)) * share),
    ) as Matrix;
    const contrast = 1 - 0.14 * strength;
    return toCanvas(
      pipeline(canvas)
        .recomb(matrix)
        .linear(
          [contrast, contrast, contrast * (1 - 0.03 * strength)],
          [19 * strength, 15 * strength, 12 * strength],
        ),
    );
  },
};
