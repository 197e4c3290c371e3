import type { GenerateImageRequest } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { unsupported } from './errors.ts';
import type { EngineCapabilities, EngineModel } from './image-engine.ts';
import type { Faults } from './request-faults.ts';

/** Checks an optional number against [min, max]; NaN and infinities are named as what they are. */
export function checkNumber(
  field: string,
  value: number | undefined,
  min: number,
  max: number,
  reason: string,
  faults: Faults,
): void {
  if (value === undefined) return;
  if (!Number.isFinite(value)) faults.add(field, 'NUMBER_NOT_FINITE', 'must be a finite number');
  else if (value < min || value > max)
    faults.add(field, reason, `must be from ${min} to ${max}, got ${value}`);
}

/** Width and height in pixels: both or neither, within the engine's limits, multiples of the model's step. */
export function checkDimensions(
  wire: GenerateImageRequest,
  model: EngineModel,
  engine: EngineCapabilities,
  faults: Faults,
): { width: number; height: number } {
  const { width, height } = wire;
  if (width === undefined && height === undefined) {
    return { width: model.defaultWidth, height: model.defaultHeight };
  }
  if (width === undefined || height === undefined) {
    const missing = width === undefined ? 'width' : 'height';
    faults.add(missing, 'DIMENSIONS_INCOMPLETE', 'width and height go together: set both or neither');
  }
  for (const [field, value] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (value !== undefined) checkDimension(field, value, model, engine, faults);
  }
  const pixels = (width ?? 0) * (height ?? 0);
  if (pixels > engine.maxPixels) {
    faults.add(
      'width',
      'TOO_MANY_PIXELS',
      `width × height must be at most ${engine.maxPixels}, got ${pixels}`,
    );
  }
  const size = { width: width ?? 0, height: height ?? 0 };
  const sizeFault = model.sizeFault?.(size.width, size.height);
  if (sizeFault !== undefined) faults.precondition(unsupported(`width: model ${model.name} ${sizeFault}`));
  return size;
}

function checkDimension(
  field: string,
  value: number,
  model: EngineModel,
  engine: EngineCapabilities,
  faults: Faults,
): void {
  const { minDimension: min, maxDimension: max } = engine;
  const multiple = model.dimensionMultiple;
  if (value < min || value > max) {
    faults.add(field, 'DIMENSION_OUT_OF_RANGE', `must be from ${min} to ${max} pixels, got ${value}`);
  } else if (value % multiple !== 0) {
    const nearest = Math.min(max, Math.max(min, Math.round(value / multiple) * multiple));
    faults.add(
      field,
      'DIMENSION_NOT_MULTIPLE',
      `must be a multiple of ${multiple}, got ${value}; nearest is ${nearest}`,
    );
  }
}
