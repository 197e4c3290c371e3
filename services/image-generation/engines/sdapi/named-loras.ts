import { textAt } from '../http/json-reading.ts';

/** What could end or open a tag, and path separators: such names cannot be asked for. */
const UNUSABLE_NAME = /[/\\:<>,]|\.\./;

/** From the names of the LoRAs of a list to one of their other fields; names that no request may hold are left out. */
export function namedLoras(list: readonly unknown[], field: string): ReadonlyMap<string, string> {
  const loras = new Map<string, string>();
  for (const entry of list) {
    const name = textAt(entry, 'name');
    if (name !== undefined && !UNUSABLE_NAME.test(name)) loras.set(name, textAt(entry, field) ?? name);
  }
  return loras;
}
