/** Keeps two set-ups of one clone apart, also when one of them was killed. */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const HEARTBEAT_MS = 1_000;
const POLL_MS = 200;
/** A lock whose heartbeat a waiter has not seen move for this long is stale, ms. */
const STALE_AFTER_MS = 20_000;

/**
 * Waits for the lock folder at `path` and takes it. The folder appears with its owner file in it, by one rename.
 * @param {string} path
 * @param {(line: string) => void} say Told once when there is a wait.
 * @returns {Promise<() => void>} Releases the lock.
 */
export async function acquireLock(path, say) {
  mkdirSync(dirname(path), { recursive: true });
  const token = `${hostname()} ${process.pid} ${Date.now()}`;
  const watch = createStaleWatch();
  let told = false;
  while (!take(path, token)) {
    const owner = readOwner(path);
    if (owner !== undefined && watch.isStale(owner)) {
      breakLock(path, owner.token);
      continue;
    }
    if (owner !== undefined && !told) say(`waiting for another set-up (process ${owner.pid})`);
    told = true;
    await sleep(POLL_MS);
  }
  return hold(path, token);
}

function take(path, token) {
  const mine = `${path}.${process.pid}`;
  rmSync(mine, { recursive: true, force: true });
  mkdirSync(mine);
  writeFileSync(join(mine, 'owner'), token);
  try {
    // Fails when the folder exists, because that one is not empty.
    renameSync(mine, path);
    return true;
  } catch (error) {
    rmSync(mine, { recursive: true, force: true });
    if (['EEXIST', 'ENOTEMPTY', 'EPERM'].includes(error.code)) return false;
    throw error;
  }
}

/** Undefined when the lock has gone meanwhile. */
function readOwner(path) {
  const file = join(path, 'owner');
  try {
    const token = readFileSync(file, 'utf8');
    const [host, pid] = token.split(' ');
    return { token, host, pid: Number(pid), heartbeat: statSync(file).mtimeMs };
  } catch {
    return undefined;
  }
}

/** Measures by this process's own clock how long a heartbeat stands still: a laptop's sleep does not count. */
function createStaleWatch() {
  let seen = '';
  let since = performance.now();
  return {
    isStale(owner) {
      if (owner.host === hostname() && !isAlive(owner.pid)) return true;
      const now = `${owner.token} ${owner.heartbeat}`;
      if (now !== seen) since = performance.now();
      seen = now;
      return performance.now() - since > STALE_AFTER_MS;
    },
  };
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Moves a stale lock away; when another waiter was quicker and holds it now, gives it back. */
function breakLock(path, staleToken) {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
    if (readOwner(aside)?.token !== staleToken) renameSync(aside, path);
  } catch {
    // Gone, or taken again: the next round of the loop sees which.
  }
  rmSync(aside, { recursive: true, force: true });
}

function hold(path, token) {
  const heartbeat = setInterval(() => {
    try {
      const now = new Date();
      utimesSync(join(path, 'owner'), now, now);
    } catch {
      // The folder was deleted under us (rm -r .sekai); there is nothing left to keep fresh.
    }
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return () => {
    clearInterval(heartbeat);
    if (readOwner(path)?.token === token) rmSync(path, { recursive: true, force: true });
  };
}
