import { mkdir, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DAMAGED_FOLDER,
  QUEUE_FOLDER,
  readSpoolFile,
  spoolFileBytes,
  spoolFileName,
  spoolFileTimeMs,
  type SpooledHandOff,
  TEMPORARY_FOLDER,
  writeSpoolFile,
} from './spool-file.ts';

/** A hand-off on disk. */
export interface SpoolEntry {
  readonly name: string;
  readonly bytes: number;
}

/** The spool holds as many bytes as it may. */
export class SpoolFullError extends Error {
  override readonly name = 'SpoolFullError';

  constructor(maxBytes: number) {
    super(`the spool holds ${maxBytes} bytes already`);
  }
}

export interface Spool {
  /** What an earlier process left behind, oldest first. */
  readonly leftovers: readonly SpoolEntry[];
  /** Bytes on disk and being written. */
  readonly bytes: number;
  /** Finished files. */
  readonly files: number;
  /** When the oldest hand-off was made, milliseconds since the epoch; undefined when there is none. */
  readonly oldestMs: number | undefined;
  /**
   * Makes a hand-off durable against a crash of the process.
   * @throws {SpoolFullError} at the limit; file system errors as they come (ENOSPC, EIO).
   */
  add(handOff: SpooledHandOff): Promise<SpoolEntry>;
  /** @throws {DamagedSpoolFileError} */
  read(entry: SpoolEntry): Promise<SpooledHandOff>;
  remove(entry: SpoolEntry): Promise<void>;
  /** Moves a file that cannot be published out of the queue, for a person to look at. */
  setAside(entry: SpoolEntry): Promise<void>;
}

/** Opens a spool directory, which belongs to one process at a time, and sweeps half-written files. */
export async function openSpool(directory: string, maxBytes: number): Promise<Spool> {
  for (const folder of [QUEUE_FOLDER, TEMPORARY_FOLDER, DAMAGED_FOLDER]) {
    await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
  }
  for (const name of await readdir(join(directory, TEMPORARY_FOLDER))) {
    await unlink(join(directory, TEMPORARY_FOLDER, name));
  }
  const leftovers = await listQueue(directory);
  // In the order of their making, give or take the writes that overlap.
  const names = new Set(leftovers.map(({ name }) => name));
  let bytes = leftovers.reduce((sum, entry) => sum + entry.bytes, 0);

  return {
    leftovers,
    get bytes() {
      return bytes;
    },
    get files() {
      return names.size;
    },
    get oldestMs() {
      const [oldest] = names;
      return oldest === undefined ? undefined : spoolFileTimeMs(oldest);
    },
    async add(handOff) {
      const reserved = spoolFileBytes(handOff);
      if (bytes + reserved > maxBytes) throw new SpoolFullError(maxBytes);
      bytes += reserved;
      try {
        await writeSpoolFile(directory, handOff);
        const name = spoolFileName(handOff);
        names.add(name);
        return { name, bytes: reserved };
      } catch (error) {
        bytes -= reserved;
        throw error;
      }
    },
    read: (entry) => readSpoolFile(directory, entry.name),
    async remove(entry) {
      await unlink(join(directory, QUEUE_FOLDER, entry.name)).catch(unlessMissing);
      names.delete(entry.name);
      bytes -= entry.bytes;
    },
    async setAside(entry) {
      const [from, to] = [QUEUE_FOLDER, DAMAGED_FOLDER].map((folder) => join(directory, folder, entry.name));
      await rename(from as string, to as string).catch(unlessMissing);
      names.delete(entry.name);
      bytes -= entry.bytes;
    },
  };
}

async function listQueue(directory: string): Promise<SpoolEntry[]> {
  const names = (await readdir(join(directory, QUEUE_FOLDER))).filter((name) => name.endsWith('.handoff'));
  const entries: SpoolEntry[] = [];
  for (const name of names.toSorted()) {
    entries.push({ name, bytes: (await stat(join(directory, QUEUE_FOLDER, name))).size });
  }
  return entries;
}

/** A file that somebody else has removed takes no room either. */
function unlessMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
