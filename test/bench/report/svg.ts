/** What the parts of the picture share: colours, text, marks. Sizes and places are pixels. */

/** Okabe and Ito's colours, which the colour-blind tell apart; nothing is said by colour alone. */
export interface Theme {
  readonly background: string;
  readonly text: string;
  readonly faint: string;
  readonly grid: string;
  readonly verdicts: Readonly<Record<'ok' | 'short of target' | 'too noisy' | '', string>>;
  /** One for each curve of a plot, in order. */
  readonly curves: readonly string[];
}

export const THEMES = {
  light: {
    background: '#ffffff',
    text: '#1f2328',
    faint: '#59636e',
    grid: '#d8dee4',
    verdicts: { ok: '#0072b2', 'short of target': '#d55e00', 'too noisy': '#a8873a', '': '#8c959f' },
    curves: ['#0072b2', '#d55e00', '#00805c'],
  },
  dark: {
    background: '#0d1117',
    text: '#e6edf3',
    faint: '#9da7b3',
    grid: '#30363d',
    verdicts: { ok: '#56b4e9', 'short of target': '#f0883e', 'too noisy': '#d9c36a', '': '#7d8590' },
    curves: ['#56b4e9', '#f0883e', '#2fbf98'],
  },
} as const satisfies Record<string, Theme>;

/** A drawn part and the room it takes. */
export interface Drawn {
  readonly svg: string;
  readonly width: number;
  readonly height: number;
}

interface TextStyle {
  readonly fill: string;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly bold?: boolean;
}

export const label = (x: number, y: number, text: string, { fill, anchor, bold }: TextStyle): string =>
  `<text x="${x}" y="${y}" fill="${fill}" text-anchor="${anchor ?? 'start'}"${bold ? ' font-weight="bold"' : ''}>${escape(text)}</text>`;

export const line = (from: Point, to: Point, stroke: string, width = 1, dashes = ''): string =>
  `<line x1="${from.x}" y1="${from.y}" x2="${to.x}" y2="${to.y}" stroke="${stroke}" stroke-width="${width}"${dashes && ` stroke-dasharray="${dashes}"`}/>`;

export interface Point {
  readonly x: number;
  readonly y: number;
}

const MARK = 5;

/** A mark whose shape says which curve it is of: circle, square, triangle. */
export function mark({ x, y }: Point, curve: number, fill: string): string {
  if (curve % 3 === 0) return `<circle cx="${x}" cy="${y}" r="${MARK}" fill="${fill}"/>`;
  if (curve % 3 === 1) {
    return `<rect x="${x - MARK}" y="${y - MARK}" width="${2 * MARK}" height="${2 * MARK}" fill="${fill}"/>`;
  }
  return `<path d="M${x} ${y - MARK - 1}l${MARK + 1} ${2 * MARK}h${-2 * MARK - 2}z" fill="${fill}"/>`;
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
