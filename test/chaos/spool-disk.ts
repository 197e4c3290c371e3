/** The disk of the spool, which can be full. */
import { execFile } from 'node:child_process';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface SpoolDisk {
  /** `ENOSPC` on a small file system of its own; `unwritable` where none can be mounted. */
  readonly fault: 'ENOSPC' | 'unwritable';
  fill(): Promise<void>;
  free(): Promise<void>;
  close(): Promise<void>;
}

/** Soon full, on purpose. */
const SMALL_DISK_MIB = 256;
/** Takes the default SPOOL_MAX_BYTES, for runs that ask what a long outage does. */
const LARGE_DISK_MIB = 2048;
const run = promisify(execFile);

/** Mounts a small file system, or a large one, where it may; elsewhere the folder of files being written goes away for a while. */
export async function openSpoolDisk(directory: string, large = false): Promise<SpoolDisk> {
  await mkdir(join(directory, 'files'), { recursive: true });
  try {
    await run('mount', [
      '-t',
      'tmpfs',
      '-o',
      `size=${large ? LARGE_DISK_MIB : SMALL_DISK_MIB}m`,
      'sekai-chaos',
      directory,
    ]);
  } catch {
    return unwritableFolder(join(directory, 'files', 'tmp'));
  }
  const filler = join(directory, 'filler');
  return {
    fault: 'ENOSPC',
    fill: () => writeUntilFull(filler),
    free: () => rm(filler, { force: true }),
    close: async () => void (await run('umount', ['-l', directory])),
  };
}

async function writeUntilFull(file: string): Promise<void> {
  const block = Buffer.alloc(1024 * 1024);
  await using handle = await open(file, 'w');
  for (const bytes of [block, block.subarray(0, 4096)]) {
    try {
      for (;;) await handle.write(bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}

function unwritableFolder(folder: string): SpoolDisk {
  const away = `${folder}.away`;
  const ignoreMissing = (error: NodeJS.ErrnoException): void => {
    // The service may have been killed before it made the folder, or have made it anew.
    if (error.code !== 'ENOENT' && error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  };
  const free = async (): Promise<void> => {
    await rename(away, folder).catch(ignoreMissing);
    await rm(away, { recursive: true, force: true });
  };
  return { fault: 'unwritable', fill: () => rename(folder, away).catch(ignoreMissing), free, close: free };
}
