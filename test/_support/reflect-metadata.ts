/**
 * What tsyringe, which @peculiar/x509 is built on, needs of the `reflect-metadata` package: to be imported before
 * it. The package is no dependency of x509's, and these few lines save one of ours.
 */
type Store = WeakMap<object, Map<unknown, unknown>>;

interface MetadataReflection {
  defineMetadata?: (key: unknown, value: unknown, target: object) => void;
  getOwnMetadata?: (key: unknown, target: object) => unknown;
  getMetadata?: (key: unknown, target: object) => unknown;
  metadata?: (key: unknown, value: unknown) => (target: object) => void;
}

const reflection = Reflect as MetadataReflection;
if (reflection.getMetadata === undefined) addMetadata(reflection);

function addMetadata(to: MetadataReflection): void {
  const store: Store = new WeakMap();
  const own = (key: unknown, target: object): unknown => store.get(target)?.get(key);
  const define = (key: unknown, value: unknown, target: object): void => {
    store.set(target, (store.get(target) ?? new Map<unknown, unknown>()).set(key, value));
  };
  to.defineMetadata = define;
  to.getOwnMetadata = own;
  to.getMetadata = (key, target) => {
    for (
      let each: object | null = target;
      each !== null;
      each = Object.getPrototypeOf(each) as object | null
    ) {
      const value = own(key, each);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  to.metadata = (key, value) => (target) => define(key, value, target);
}
