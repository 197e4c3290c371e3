/** Text for the sheet, as SVG: prompts are anybody's text and must not become markup, nor move other text about. */

export interface TextLine {
  readonly text: string;
  /** Of the baseline, pixels. */
  readonly x: number;
  readonly y: number;
  readonly sizePixels: number;
  readonly colour: string;
  readonly weight?: 'normal' | 'bold';
}

/** Whatever the machine has of these. */
const FONTS = 'DejaVu Sans, Noto Sans, Noto Sans CJK JP, Liberation Sans, Arial, sans-serif';

export const svgText = ({ text, x, y, sizePixels, colour, weight = 'normal' }: TextLine): string =>
  `<text x="${x}" y="${y}" font-family="${FONTS}" font-size="${sizePixels}" font-weight="${weight}" fill="${colour}">${escapeXml(text)}</text>`;

/** Escaped, and without the characters that XML cannot hold or that change the direction of a line. */
export const escapeXml = (text: string): string =>
  text
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

/** An average letter is about half as wide as it is high; ideographs, kana, hangul and emoji are as wide as high. */
const isWide = (character: string): boolean =>
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Extended_Pictographic}\u3000-\u303f\uff00-\uffef]/u.test(
    character,
  );
const widthOf = (text: string): number =>
  Array.from(text).reduce((width, character) => width + (isWide(character) ? 2 : 1), 0);

/** At most `maxLines` lines of at most `width` narrow letters; what is left out ends in "…". */
export function wrapText(text: string, width: number, maxLines: number): string[] {
  const lines: string[] = [];
  let line = '';
  const words = text
    .replaceAll(/\s+/g, ' ')
    .trim()
    .split(' ')
    .flatMap((word) => cutWord(word, width));
  for (const [at, word] of words.entries()) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer) <= width) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
    if (lines.length === maxLines) return [...lines.slice(0, -1), shortened(lines.at(-1) ?? '', width)];
    if (at === words.length - 1) break;
  }
  return line === '' ? lines : [...lines, line];
}

/** Text without spaces, such as Japanese, is cut where the line ends. */
function cutWord(word: string, width: number): string[] {
  const parts: string[] = [];
  let part = '';
  for (const character of word) {
    if (widthOf(part + character) > width) {
      parts.push(part);
      part = '';
    }
    part += character;
  }
  return [...parts, part];
}

function shortened(line: string, width: number): string {
  const characters = Array.from(line);
  while (widthOf(characters.join('')) > width - 1) characters.pop();
  return `${characters.join('')}…`;
}
