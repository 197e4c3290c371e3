/** Whether it is worth waiting for the broker: closed = yes, open = no. */
export interface Circuit {
  readonly isOpen: boolean;
  open(reason: string): void;
  close(): void;
  /** Resolves as soon as the circuit is open. `dispose` must be called by who no longer waits. */
  whenOpen(): { readonly opened: Promise<void>; readonly dispose: () => void };
}

/** A circuit that reports each change once. */
export function createCircuit(onChange: (open: boolean, reason: string) => void): Circuit {
  const waiting = new Set<() => void>();
  let isOpen = false;
  return {
    get isOpen() {
      return isOpen;
    },
    open(reason) {
      if (isOpen) return;
      isOpen = true;
      onChange(true, reason);
      for (const wake of waiting) wake();
      waiting.clear();
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      onChange(false, '');
    },
    whenOpen() {
      if (isOpen) return { opened: Promise.resolve(), dispose: () => {} };
      let wake = (): void => {};
      const opened = new Promise<void>((resolve) => {
        wake = resolve;
      });
      waiting.add(wake);
      return { opened, dispose: () => void waiting.delete(wake) };
    },
  };
}
