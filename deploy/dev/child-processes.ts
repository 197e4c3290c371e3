import type { ChildProcess } from 'node:child_process';

/** Processes that must not outlive this one, however it ends. Whoever starts them owns it. */
export interface ChildProcesses {
  /** Kills it when this process exits. A child that ends before is forgotten. */
  add(child: ChildProcess): void;
}

/** One `exit` listener for all of them, and only while there are any: Node warns of a leak at eleven. */
export function createChildProcesses(): ChildProcesses {
  const alive = new Set<ChildProcess>();
  const killAll = (): void => {
    for (const child of alive) child.kill('SIGKILL');
  };
  return {
    add(child) {
      // It could not be started; there is nothing to kill, and it will not say `exit`.
      if (child.pid === undefined) return;
      if (alive.size === 0) process.on('exit', killAll);
      alive.add(child);
      child.once('exit', () => {
        alive.delete(child);
        if (alive.size === 0) process.off('exit', killAll);
      });
    },
  };
}
