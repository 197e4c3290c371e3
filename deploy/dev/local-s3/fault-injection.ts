/** Faults on order: what a test or a person wants the next requests to suffer. */

export type Fault =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly code: string;
      readonly message?: string;
      readonly retryAfterSeconds?: number;
      /** Answer while the body still arrives instead of taking it first. Default false. */
      readonly beforeBody?: boolean;
      /** Close the connection after the answer, even in the middle of the body. Default false. */
      readonly closeConnection?: boolean;
    }
  /** Reset the connection (RST) once this many bytes of the body have arrived. Default 0. */
  | { readonly kind: 'reset'; readonly afterBytes?: number }
  /** Take the body, then stay silent: for good, or for `forMs` before going on as usual. */
  | { readonly kind: 'stall'; readonly forMs?: number }
  /** Take the body slowly, then go on as usual. */
  | { readonly kind: 'slow-drain'; readonly bytesPerSecond: number }
  /** Do what was asked, then reset the connection instead of answering. */
  | { readonly kind: 'store-then-reset' }
  /** Answer as usual, then close the connection; unannounced it looks alive to the client until it is used. */
  | { readonly kind: 'close-after-answer'; readonly announced?: boolean };

export interface FaultFilter {
  /** How many requests suffer. Default 1; Infinity until removed. */
  readonly times?: number;
  readonly method?: string;
  readonly bucket?: string;
  /** Only keys with this text in them. The key of a form upload counts too. */
  readonly keyContains?: string;
}

export interface FaultOrder {
  /** How many requests have suffered. */
  readonly hits: number;
  remove(): void;
}

export interface FaultInjector {
  /** Orders are served oldest first, one per request. */
  inject(fault: Fault, filter?: FaultFilter): FaultOrder;
  clear(): void;
}

export interface FaultSubject {
  readonly method: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
}

export interface FaultBook extends FaultInjector {
  /** Takes one use of the first order that fits. */
  take(subject: FaultSubject): Fault | undefined;
}

export function createFaultBook(): FaultBook {
  interface Entry {
    readonly fault: Fault;
    readonly filter: FaultFilter;
    hits: number;
  }
  let entries: Entry[] = [];
  return {
    inject(fault, filter = {}) {
      const entry: Entry = { fault, filter, hits: 0 };
      entries.push(entry);
      return {
        get hits() {
          return entry.hits;
        },
        remove() {
          entries = entries.filter((other) => other !== entry);
        },
      };
    },
    clear() {
      entries = [];
    },
    take(subject) {
      const entry = entries.find(({ filter }) => fits(filter, subject));
      if (entry === undefined) return undefined;
      entry.hits += 1;
      if (entry.hits >= (entry.filter.times ?? 1)) entries = entries.filter((other) => other !== entry);
      return entry.fault;
    },
  };
}

function fits(filter: FaultFilter, { method, bucket, key }: FaultSubject): boolean {
  if (filter.method !== undefined && filter.method !== method) return false;
  if (filter.bucket !== undefined && filter.bucket !== bucket) return false;
  return filter.keyContains === undefined || key?.includes(filter.keyContains) === true;
}
