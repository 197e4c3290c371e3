import { access, constants, mkdtemp, readdir, rmdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { formatAge } from '../printable.ts';
import { type Check, fail, ok, warn } from './check.ts';

/** Where the service keeps what NATS has not taken yet. */
const QUEUE_FOLDER = 'queue';

/** The service's spool, as seen from here: it must be the same volume and the same user. */
export async function checkSpool(directory: string, maxBytes: number, nowMs: number): Promise<Check> {
  try {
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    // Rights may be there and the disk read-only or full all the same.
    await rmdir(await mkdtemp(join(directory, 'doctor-')));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return fail(
      'spool',
      `${directory} cannot be written (${reason})`,
      'mount a writable volume there, owned by the user of the service, or name another folder in SPOOL_DIR',
    );
  }
  const names = (await readdir(join(directory, QUEUE_FOLDER)).catch(() => [])).toSorted();
  const waiting = await Promise.all(names.map((name) => sizeOf(join(directory, QUEUE_FOLDER, name))));
  const usedBytes = waiting.reduce((sum, bytes) => sum + bytes, 0);
  const { bavail, bsize } = await statfs(directory);
  const roomBytes = bavail * bsize + usedBytes;
  if (roomBytes < maxBytes) {
    const message = `${directory} has room for ${roomBytes} bytes, SPOOL_MAX_BYTES is ${maxBytes}`;
    return warn('spool', message, 'enlarge the volume, or lower SPOOL_MAX_BYTES');
  }
  // Names start with the time of creation, ms.
  const oldestMs = Number(names[0]?.slice(0, 15));
  const age = Number.isNaN(oldestMs) ? '' : `, the oldest for ${formatAge(nowMs - oldestMs)}`;
  const message = `${directory} can be written; ${names.length} hand-offs wait (${usedBytes} bytes)${age}`;
  if (usedBytes <= maxBytes / 2) return ok('spool', message);
  return warn('spool', message, 'bring NATS back; the spool then empties by itself');
}

/** A file that the drainer has just finished takes no room. */
const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;
