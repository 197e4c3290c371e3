/** Finds and fills the `{{name}}`s of a value. What is filled in is never looked at again. */

const PLACEHOLDER = /\{\{\s*([\w.]*)\s*\}\}/g;
const WHOLE = /^\{\{\s*([\w.]*)\s*\}\}$/;

export interface FoundPlaceholder {
  readonly name: string;
  /** It is the whole value. */
  readonly whole: boolean;
}

/** Every placeholder in a value, however deep. */
export function placeholdersIn(value: unknown): FoundPlaceholder[] {
  if (typeof value === 'string') {
    const whole = WHOLE.test(value);
    return [...value.matchAll(PLACEHOLDER)].map(([, name = '']) => ({ name, whole }));
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((part) =>
    placeholdersIn(part).map(({ name }) => ({ name, whole: false })),
  );
}

export type PlaceholderValues = ReadonlyMap<string, string | number>;

/** The value with every placeholder replaced; one that is the whole value keeps its type. */
export function filled(value: unknown, values: PlaceholderValues): unknown {
  if (typeof value === 'string') {
    const name = WHOLE.exec(value)?.[1];
    if (name !== undefined) return values.get(name) ?? value;
    return value.replaceAll(PLACEHOLDER, (text, inner: string) => String(values.get(inner) ?? text));
  }
  if (Array.isArray(value)) return value.map((part) => filled(part, values));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, filled(part, values)]));
}
