import { type Colour, toHex } from './colour.ts';

/** A coordinate: two decimals are finer than any pixel shows. */
export function n(value: number): string {
  return (Math.round(value * 100) / 100).toString();
}

export interface Stop {
  readonly at: number;
  readonly colour: Colour;
  readonly opacity?: number;
}

/** A linear gradient from top to bottom between two y in pixels. */
export function verticalGradient(id: string, top: number, bottom: number, stops: readonly Stop[]): string {
  return `<linearGradient id="${id}" gradientUnits="userSpaceOnUse" x1="0" x2="0" y1="${n(top)}" y2="${n(bottom)}">${stopElements(stops)}</linearGradient>`;
}

/** A radial gradient over the bounding box of what it fills. */
export function radialGradient(id: string, stops: readonly Stop[]): string {
  return `<radialGradient id="${id}">${stopElements(stops)}</radialGradient>`;
}

function stopElements(stops: readonly Stop[]): string {
  return stops
    .map(
      ({ at, colour, opacity = 1 }) =>
        `<stop offset="${n(at)}" stop-color="${toHex(colour)}" stop-opacity="${n(opacity)}"/>`,
    )
    .join('');
}
