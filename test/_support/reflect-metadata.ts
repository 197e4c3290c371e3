/**
 * The part of the Reflect Metadata proposal that `tsyringe`, below `@peculiar/x509`, insists on. To be imported
 * before it. (The package `reflect-metadata` would do as well.)
 */
const kept = new WeakMap<object, Map<unknown, unknown>>();

function own(key: unknown, target: object): unknown {
  return kept.get(target)?.get(key);
}

function inherited(key: unknown, target: object): unknown {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const value = own(key, at);
    if (value !== undefined) return value;
  }
  return undefined;
}

function define(key: unknown, value: unknown, target: object): void {
  const values = kept.get(target) ?? new Map<unknown, unknown>();
  kept.set(target, values.set(key, value));
}

if (!('getMetadata' in Reflect)) {
  Object.assign(Reflect, { getMetadata: inherited, getOwnMetadata: own, defineMetadata: define });
}
