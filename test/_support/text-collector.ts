import { Writable } from 'node:stream';

export interface TextCollector extends Writable {
  /** Everything written so far. */
  text(): string;
}

/** Stands for stdout or stderr of a command that runs in this process. */
export function textCollector(): TextCollector {
  const parts: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      parts.push(String(chunk));
      done();
    },
  });
  return Object.assign(stream, { text: () => parts.join('') });
}
