/** The picture's shape in pixels. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  /** Side of the square of the same area: the measure for sizes that should not depend on the shape. */
  readonly unit: number;
  /** The shorter side: the measure for what must fit in. */
  readonly short: number;
}

/**
 * Pixels painted at most: 4K UHD fits. Larger pictures are painted in this many and scaled up before the last
 * touch, which halves the time and memory of 4096 × 4096 for a loss hardly seen at 1.4 times.
 */
const MAX_PAINTED_PIXELS = 8_400_000;

/** The frame a picture of this size is painted in: its own, or a smaller one of the same shape. */
export function createPaintingFrame(width: number, height: number): Frame {
  const scale = Math.min(1, Math.sqrt(MAX_PAINTED_PIXELS / (width * height)));
  return createFrame(Math.round(width * scale), Math.round(height * scale));
}

export function createFrame(width: number, height: number): Frame {
  return { width, height, unit: Math.sqrt(width * height), short: Math.min(width, height) };
}
