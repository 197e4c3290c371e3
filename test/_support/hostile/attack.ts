/** Many hostile peers at once, each with its own random numbers, so that a run can be repeated. */
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { type SeededRandom, seededRandom } from '../../chaos/random.ts';
import { RAW_ATTACKS, type RawAttack } from './raw-attacks.ts';
import { REQUEST_ATTACKS, send } from './request-attacks.ts';

export interface AttackOptions {
  /** Port of the service. */
  readonly port: number;
  /** Frames and requests to send, at least. */
  readonly count: number;
  readonly seed: number;
  /** Tells the peers of one attack from those of another with the same seed. */
  readonly name: string;
}

export interface Attacked {
  /** Frames and requests by kind. */
  readonly sent: Record<string, number>;
  /** Of these, requests by kind that the server left without an answer on a connection that was still good. */
  readonly unanswered: Record<string, number>;
}

const PEERS = 96;
/** How long a peer waits for the server to close a connection that it has ended, ms. */
const PATIENCE_MS = 300;

/** Sends `count` frames and requests; resolves when the last peer has gone. */
export async function attack({ port, count, seed, name }: AttackOptions): Promise<Attacked> {
  const sent: Record<string, number> = {};
  const unanswered: Record<string, number> = {};
  let total = 0;
  let connections = 0;
  const add = (kind: string, items: number): void => {
    sent[kind] = (sent[kind] ?? 0) + items;
    total += items;
  };
  const done = (): boolean => total >= count;
  const peer = async (): Promise<void> => {
    while (!done()) {
      connections += 1;
      const random = seededRandom(seed, `${name} ${connections}`);
      if (random.next() < 0.3) await sendRequests(port, random, add, unanswered);
      else {
        const kind = random.pick([...COMMON, ...(random.next() < 0.05 ? RARE : [])]);
        const raw = RAW_ATTACKS[kind](random);
        await sendRaw(port, raw, random);
        add(kind, raw.frames);
      }
    }
  };
  await Promise.all(Array.from({ length: PEERS }, peer));
  return { sent, unanswered };
}

const COMMON = ['noise', 'randomFrames', 'truncatedFrame', 'brokenMessage'] as const;
/** Those that send hundreds of frames, or of kilobytes, at once. */
const RARE = ['giantHeader', 'flood'] as const;

function sendRaw(port: number, { pieces }: RawAttack, random: SeededRandom): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    const giveUp = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.once('close', () => {
      clearTimeout(giveUp);
      resolve();
    });
    const abrupt = random.next() < 0.2;
    for (const piece of pieces) socket.write(piece);
    socket.once('connect', () => {
      if (abrupt) socket.write('', () => socket.resetAndDestroy());
      else socket.end();
    });
  });
}

/** Dozens of bad requests over one connection, which may break on the way. */
async function sendRequests(
  port: number,
  random: SeededRandom,
  add: (kind: string, items: number) => void,
  unanswered: Record<string, number>,
): Promise<void> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    session.once('close', () => resolve());
  });
  const kinds = Object.keys(REQUEST_ATTACKS) as (keyof typeof REQUEST_ATTACKS)[];
  const sendOne = async (kind: keyof typeof REQUEST_ATTACKS): Promise<void> => {
    const answered = await send(session, REQUEST_ATTACKS[kind](random), random);
    if (!answered) unanswered[kind] = (unanswered[kind] ?? 0) + 1;
  };
  for (let round = random.integer(1, 4); round > 0; round -= 1) {
    const ended: Promise<void>[] = [];
    for (let each = 0; each < 16 && !session.closed && !session.destroyed; each += 1) {
      const kind = random.pick(kinds);
      ended.push(sendOne(kind));
      add(kind, 1);
    }
    await Promise.all(ended);
  }
  if (random.next() < 0.5) session.destroy();
  else session.close();
  const giveUp = setTimeout(() => session.destroy(), PATIENCE_MS);
  await closed;
  clearTimeout(giveUp);
}
