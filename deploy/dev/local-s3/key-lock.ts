/** Runs one action at a time per name, in order of arrival. */
export type KeyLock = <T>(name: string, action: () => Promise<T>) => Promise<T>;

export function createKeyLock(): KeyLock {
  const last = new Map<string, Promise<unknown>>();
  return async (name, action) => {
    const before = last.get(name) ?? Promise.resolve();
    const turn = before.then(action, action);
    // The next in line only waits; a failure belongs to the caller of this action.
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    last.set(name, settled);
    try {
      return await turn;
    } finally {
      if (last.get(name) === settled) last.delete(name);
    }
  };
}
