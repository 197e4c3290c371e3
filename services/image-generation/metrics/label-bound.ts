/** The label of every value beyond the bound. */
export const OTHER = 'other';

/** Longest label value, characters. */
const MAX_LENGTH = 64;

/** Lets the first `maxValues` values through as they are; all further ones are {@link OTHER}. */
export function createLabelBound(maxValues: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    const label = value.slice(0, MAX_LENGTH);
    if (known.has(label)) return label;
    if (known.size >= maxValues) return OTHER;
    known.add(label);
    return label;
  };
}
