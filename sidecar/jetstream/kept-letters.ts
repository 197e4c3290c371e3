/** The stream of dead letters, as `createJetStreamDeadLetters` fills it. */
import type { JetStreamManager, StoredMsg } from 'nats';
import {
  deadBlobSubject,
  deadEventSubject,
  HEADER_DEAD_DETAIL,
  HEADER_DEAD_REASON,
  STREAM_DEAD,
} from '../../proto/archive-event.ts';
import type { KeptLetter } from '../operator-queue.ts';
import { askQueue } from './queue-access.ts';
import { deleteStored, firstMessage } from './stored-message.ts';

const PREFIX_TOKENS = deadEventSubject('', '').split('.').length - 2;

/** One by one, so that memory holds one letter however many there are; none that was buried after the start. */
export async function* keptLetters(
  jsm: JetStreamManager,
  signal: AbortSignal,
  imageHash: string | undefined,
): AsyncGenerator<KeptLetter> {
  const filter = deadEventSubject(imageHash ?? '*', '>');
  const { state } = await askQueue(() => jsm.streams.info(STREAM_DEAD));
  for (let sequence = state.first_seq; sequence <= state.last_seq; ) {
    signal.throwIfAborted();
    const from = sequence;
    const message = await askQueue(() => firstMessage(jsm, STREAM_DEAD, filter, from));
    if (message === undefined || message.seq > state.last_seq) return;
    yield await askQueue(() => letterOf(jsm, message));
    sequence = message.seq + 1;
  }
}

async function letterOf(jsm: JetStreamManager, message: StoredMsg): Promise<KeptLetter> {
  const [imageHash = '', ...id] = message.subject.split('.').slice(PREFIX_TOKENS);
  const handoffId = id.join('.');
  return {
    sequence: message.seq,
    imageHash,
    handoffId,
    reason: message.header?.get(HEADER_DEAD_REASON) ?? '',
    detail: message.header?.get(HEADER_DEAD_DETAIL) ?? '',
    buriedAt: message.time,
    payload: message.data,
    chunkIndexes: await keptChunkIndexes(jsm, imageHash, handoffId),
  };
}

async function keptChunkIndexes(
  jsm: JetStreamManager,
  imageHash: string,
  handoffId: string,
): Promise<number[]> {
  // A name with a wildcard, which anybody may publish, must not reach the chunks of other letters.
  if (/[*>]/.test(`${imageHash}${handoffId}`)) return [];
  const filter = chunksFilter({ imageHash, handoffId });
  const { state } = await jsm.streams.info(STREAM_DEAD, { subjects_filter: filter });
  return Object.keys(state.subjects ?? {})
    .map((subject) => Number(subject.slice(subject.lastIndexOf('.') + 1)))
    .filter((index) => Number.isSafeInteger(index))
    .toSorted((a, b) => a - b);
}

const chunksFilter = ({ imageHash, handoffId }: Pick<KeptLetter, 'imageHash' | 'handoffId'>): string =>
  deadBlobSubject(imageHash, handoffId, 0).replace(/0$/, '*');

/** Bytes of one chunk kept with a letter. */
export async function keptChunk(
  jsm: JetStreamManager,
  { imageHash, handoffId }: KeptLetter,
  index: number,
): Promise<Uint8Array> {
  const subject = deadBlobSubject(imageHash, handoffId, index);
  return (await jsm.streams.getMessage(STREAM_DEAD, { last_by_subj: subject })).data;
}

/**
 * Chunks first, so that a letter whose removal was cut short can still be seen. Chunks are buried before their
 * letter: those with a later place belong to the same letter buried again, as it may be at this moment.
 */
export async function dropLetter(jsm: JetStreamManager, letter: KeptLetter): Promise<void> {
  if (letter.chunkIndexes.length > 0) {
    await jsm.streams.purge(STREAM_DEAD, { filter: chunksFilter(letter), seq: letter.sequence });
  }
  await deleteStored(jsm, STREAM_DEAD, letter.sequence);
}
