import type { OverlayOptions } from 'sharp';
import { type Canvas, pipeline } from './canvas.ts';
import type { Drawing, Studio } from './layers/layer.ts';
import { grainOverlay } from './styles/grain.ts';

const BLOOM_SIDE = 160;
/** Alpha of the grain that hides banding: about two levels of 255. */
const DITHER_DEPTH = 0.02;

/** The last touch on the painting: light bleeding from bright parts, darker corners. */
export async function drawFinish(canvas: Canvas, { scene, frame }: Studio): Promise<readonly Drawing[]> {
  const bloom = await pipeline(canvas)
    .resize(BLOOM_SIDE, BLOOM_SIDE, { fit: 'inside', withoutEnlargement: true })
    .blur(5)
    .linear(0.9 * scene.glow, -90 * scene.glow)
    .png({ compressionLevel: 1 })
    .toBuffer();
  const { width, height } = frame;
  const glow = `<image x="0" y="0" width="${width}" height="${height}" preserveAspectRatio="none" xlink:href="data:image/png;base64,${bloom.toString('base64')}"/>`;
  const corners =
    '<defs><radialGradient id="corners" cx="0.5" cy="0.48" r="0.78"><stop offset="0.55" stop-opacity="0"/><stop offset="1" stop-opacity="0.3"/></radialGradient></defs>' +
    `<rect width="${width}" height="${height}" fill="url(#corners)"/>`;
  return [
    { svg: glow, blend: 'screen' },
    { svg: corners, blend: 'over' },
  ];
}

/** A breath of grain over everything, so that no gradient bands. */
export function ditherOverlay({ scene, frame }: Studio): OverlayOptions {
  return grainOverlay(frame, scene.random('dither'), DITHER_DEPTH);
}
