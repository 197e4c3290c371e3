/**
 * Waits `ms`, or until `settled` has settled; true while it has not. `settled` must end some day: whoever waits for
 * it is kept until then.
 * @throws signal.reason when aborted.
 */
export async function pause(ms: number, signal: AbortSignal, settled?: Promise<unknown>): Promise<boolean> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const end = (action: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      action();
    };
    const timer = setTimeout(() => end(() => resolve(true)), ms);
    const onAbort = (): void => end(() => reject(signal.reason as Error));
    signal.addEventListener('abort', onAbort, { once: true });
    const onSettled = (): void => end(() => resolve(false));
    settled?.then(onSettled, onSettled);
  });
}
