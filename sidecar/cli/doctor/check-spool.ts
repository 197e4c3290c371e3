import { access, constants, mkdtemp, opendir, rmdir, stat, statfs } from 'node:fs/promises';
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
  const { count, usedBytes, oldestMs } = await waitingIn(join(directory, QUEUE_FOLDER));
  const { bavail, bsize } = await statfs(directory);
  const roomBytes = bavail * bsize + usedBytes;
  if (roomBytes < maxBytes) {
    const message = `${directory} has room for ${roomBytes} bytes, SPOOL_MAX_BYTES is ${maxBytes}`;
    return warn('spool', message, 'enlarge the volume, or lower SPOOL_MAX_BYTES');
  }
  const age = count === 0 ? '' : `, the oldest for ${formatAge(nowMs - oldestMs)}`;
  const message = `${directory} can be written; ${count} hand-offs wait (${usedBytes} bytes)${age}`;
  if (usedBytes <= maxBytes / 2) return ok('spool', message);
  return warn('spool', message, 'bring NATS back; the spool then empties by itself');
}

/** One file after the other: there may be a hundred thousand. */
async function waitingIn(
  folder: string,
): Promise<{ readonly count: number; readonly usedBytes: number; readonly oldestMs: number }> {
  let [count, usedBytes, oldestMs] = [0, 0, Number.POSITIVE_INFINITY];
  const files = await opendir(folder).catch(() => undefined);
  if (files === undefined) return { count, usedBytes, oldestMs };
  for await (const { name } of files) {
    // Names start with the time of creation, ms.
    const createdMs = Number(name.slice(0, 15));
    // What the drainer has finished meanwhile takes no room.
    const size = (await stat(join(folder, name)).catch(() => undefined))?.size;
    if (size === undefined || Number.isNaN(createdMs)) continue;
    count += 1;
    usedBytes += size;
    oldestMs = Math.min(oldestMs, createdMs);
  }
  return { count, usedBytes, oldestMs };
}
