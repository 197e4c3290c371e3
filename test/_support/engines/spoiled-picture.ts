import sharp from 'sharp';
import type { EngineFault } from './engine-simulator.ts';

/** The base64 text an engine with this fault answers with; a whole picture for faults of another kind. */
export async function spoiledBase64(png: Buffer, fault: EngineFault | undefined): Promise<string> {
  if (fault === 'cut-base64') {
    const whole = png.toString('base64').replaceAll('=', '');
    const half = whole.length >> 1;
    return whole.slice(0, half - (half % 4) + 1);
  }
  if (fault === 'cut-file') return png.subarray(0, png.length >> 1).toString('base64');
  if (fault !== 'wrong-dimensions') return png.toString('base64');
  const { width } = await sharp(png).metadata();
  const other = sharp(png)
    .resize(width + 8, 64, { fit: 'fill' })
    .png();
  return (await other.toBuffer()).toString('base64');
}
