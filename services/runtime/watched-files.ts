import { readFile, stat } from 'node:fs/promises';

/** The bytes of a file, or why they cannot be read. */
export type FileContent = Buffer | Error;

export interface WatchedFilesOptions<T> {
  /** Files that only make sense together, such as a certificate and its key. */
  readonly paths: readonly string[];
  /** Makes the value of the files' contents, in the order of `paths`. Throws for what cannot be used. */
  readonly parse: (contents: readonly FileContent[]) => T;
  /** Takes a new value into use. If it throws, the value counts as unusable. */
  readonly onChange: (value: T) => void;
  /** Told once per new content that cannot be used; the value before it stays. */
  readonly onFault: (error: unknown) => void;
  /** How often the files are looked at, ms. */
  readonly intervalMs?: number | undefined;
}

export interface WatchedFiles<T> {
  /** The value first read. */
  readonly initial: T;
  /** Stops looking. May be called again. */
  readonly close: () => void;
}

const DEFAULT_INTERVAL_MS = 2_000;
/** Contents count when two readings this far apart are equal: a writer may be in the middle of a file or of a pair. */
const SETTLE_MS = 100;
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Reads files now and whenever they change. It looks at the contents, again and again, since file system events
 * miss what Kubernetes does: it swaps a symlink two folders away from the file that is watched.
 * @throws what `parse` throws for the first contents.
 */
export async function watchFiles<T>(options: WatchedFilesOptions<T>): Promise<WatchedFiles<T>> {
  const { paths, parse, onChange, onFault, intervalMs = DEFAULT_INTERVAL_MS } = options;
  let known = await readAll(paths);
  let unsettled = known;
  let closed = false;
  const initial = parse(known);

  /** Returns when to look again, ms. */
  async function look(): Promise<number> {
    const contents = await readAll(paths);
    if (closed || equal(contents, known)) return intervalMs;
    const settled = equal(contents, unsettled);
    unsettled = contents;
    if (!settled) return Math.min(SETTLE_MS, intervalMs);
    known = contents;
    try {
      onChange(parse(contents));
    } catch (error) {
      onFault(error);
    }
    return intervalMs;
  }

  let timer: NodeJS.Timeout | undefined;
  function lookIn(ms: number): void {
    if (!closed) timer = setTimeout(() => void look().then(lookIn), ms).unref();
  }
  lookIn(intervalMs);
  return {
    initial,
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

const readAll = (paths: readonly string[]): Promise<FileContent[]> => Promise.all(paths.map(readOne));

async function readOne(path: string): Promise<FileContent> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) return new Error(`larger than ${MAX_FILE_BYTES} bytes`);
    return await readFile(path);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function equal(some: readonly FileContent[], others: readonly FileContent[]): boolean {
  return some.every((one, index) => {
    const other = others[index];
    if (one instanceof Error) return other instanceof Error && one.message === other.message;
    return other instanceof Buffer && one.equals(other);
  });
}
