import sharp, { type OverlayOptions } from 'sharp';
import { svgText, type TextLine, wrapText } from './caption.ts';
import type { SheetEntry } from './read-entry.ts';
import { THUMBNAIL_PIXELS } from './thumbnail.ts';

export interface SheetText {
  readonly title: string;
  readonly subtitle: string;
  readonly footer: string;
}

const GAP = 20;
const CAPTION = 84;
const HEADER = 76;
const FOOTER = 44;
const CELL = THUMBNAIL_PIXELS + GAP;
const ROW = THUMBNAIL_PIXELS + CAPTION;
const MAX_COLUMNS = 8;
/** Narrow letters of 14 pixels on the width of a picture. */
const CAPTION_LETTERS = 37;
const CAPTION_LINES = 3;
const PAPER = '#f4f2ee';
const INK = '#222222';
const PALE = '#77726a';

/** Sides of the sheet, and how many pictures stand beside each other. */
function layoutOf(count: number): { columns: number; rows: number; width: number; height: number } {
  // A little wider than high, as screens are.
  const columns = Math.max(3, Math.min(MAX_COLUMNS, Math.ceil(Math.sqrt(count * 1.6))));
  const rows = Math.max(1, Math.ceil(count / columns));
  return { columns, rows, width: GAP + columns * CELL, height: HEADER + rows * ROW + FOOTER };
}

/** One picture of all pictures, a JPEG. */
export async function drawSheet(entries: readonly SheetEntry[], text: SheetText): Promise<Buffer> {
  const { columns, width, height } = layoutOf(entries.length);
  const layers: OverlayOptions[] = [];
  const lines: TextLine[] = [
    { text: text.title, x: GAP, y: 36, sizePixels: 22, colour: INK, weight: 'bold' },
    { text: text.subtitle, x: GAP, y: 58, sizePixels: 14, colour: PALE },
    { text: text.footer, x: GAP, y: height - 18, sizePixels: 14, colour: '#a03020', weight: 'bold' },
  ];
  for (const [at, entry] of entries.entries()) {
    const left = GAP + (at % columns) * CELL;
    const top = HEADER + Math.floor(at / columns) * ROW;
    if (entry.picture !== undefined) layers.push(await centred(entry.picture, left, top));
    lines.push(...captionOf(entry, left, top + THUMBNAIL_PIXELS + 16));
  }
  layers.push({ input: textLayer(lines, width, height), left: 0, top: 0 });
  return sharp({ create: { width, height, channels: 3, background: PAPER } })
    .composite(layers)
    .jpeg({ quality: 88, mozjpeg: true })
    .toBuffer();
}

/** In the middle of its square, at its lower edge, so that pictures of all shapes stand above their captions. */
async function centred(input: Buffer, left: number, top: number): Promise<OverlayOptions> {
  const { width, height } = await sharp(input).metadata();
  return {
    input,
    left: left + Math.floor((THUMBNAIL_PIXELS - width) / 2),
    top: top + THUMBNAIL_PIXELS - height,
  };
}

function captionOf({ imageHash, archivedAt, prompt, picture }: SheetEntry, x: number, y: number): TextLine[] {
  const words = prompt ?? '(the record cannot be read)';
  const gap: TextLine[] =
    picture === undefined
      ? [{ text: '(the image cannot be shown)', x, y: y - 150, sizePixels: 14, colour: PALE }]
      : [];
  return [
    ...gap,
    ...wrapText(words, CAPTION_LETTERS, CAPTION_LINES).map((text, line) => ({
      text,
      x,
      y: y + line * 17,
      sizePixels: 14,
      colour: INK,
    })),
    {
      text: `${archivedAt.toISOString().slice(0, 16).replace('T', ' ')} UTC · ${imageHash.slice(0, 16)}…`,
      x,
      y: y + CAPTION_LINES * 17,
      sizePixels: 11,
      colour: PALE,
    },
  ];
}

const textLayer = (lines: readonly TextLine[], width: number, height: number): Buffer =>
  Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${lines.map(svgText).join('')}</svg>`,
  );

/** Whether this machine has any font: without one, text leaves no trace, or the same box for every letter. */
export async function canDrawText(): Promise<boolean> {
  const draw = async (text: string): Promise<Buffer> => {
    const line = { text, x: 4, y: 30, sizePixels: 24, colour: '#000000' };
    return sharp(textLayer([line], 64, 40))
      .raw()
      .toBuffer();
  };
  const [one, other] = await Promise.all([draw('i'), draw('M')]);
  return !one.equals(other);
}
