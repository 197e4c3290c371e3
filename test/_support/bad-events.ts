/** Archive events as a broken or hostile peer may publish them, each with what must become of it. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { type MsgHdrs, headers, type NatsConnection } from 'nats';
import {
  ArchiveEvent,
  blobSubject,
  chunkCount,
  type EventFaultReason,
  eventSubject,
  MAX_IMAGE_BYTES,
} from '../../proto/archive-event.ts';

const KIB = 1024;

/** What a peer publishes: chunks first, then the payload under a subject of its own. */
export interface BadEvent {
  readonly kind: string;
  readonly reason: EventFaultReason;
  /** Last token of the subject. */
  readonly subjectHash: string;
  readonly messageId: string;
  readonly payload: Uint8Array;
  readonly chunks: readonly BadChunk[];
  readonly headers?: MsgHdrs;
}

interface BadChunk {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs;
}

export async function publishBadEvent(
  connection: NatsConnection,
  { subjectHash, messageId, payload, chunks, headers: eventHeaders }: BadEvent,
): Promise<void> {
  const js = connection.jetstream();
  for (const { subject, data, headers: chunkHeaders } of chunks) {
    await js.publish(subject, data, chunkHeaders === undefined ? {} : { headers: chunkHeaders });
  }
  await js.publish(eventSubject(subjectHash), payload, {
    msgID: messageId,
    ...(eventHeaders === undefined ? {} : { headers: eventHeaders }),
  });
}

/** A good event's message, to be spoilt. */
function goodMessage(imageBytes: number): ArchiveEvent {
  const image = randomBytes(imageBytes);
  return {
    schemaVersion: 1,
    handoffId: randomUUID(),
    imageHash: createHash('sha256').update(image).digest('hex'),
    imageSizeBytes: BigInt(imageBytes),
    imageMediaType: 'image/jpeg',
    requestId: randomUUID(),
    createTime: new Date(),
    inputRecord: Buffer.from('{}'),
    image: { $case: 'inlineImage', value: image },
  };
}

function badEvent(
  kind: string,
  reason: EventFaultReason,
  message: ArchiveEvent,
  more: Partial<BadEvent> = {},
): BadEvent {
  return {
    kind,
    reason,
    subjectHash: message.imageHash,
    messageId: message.handoffId,
    payload: ArchiveEvent.encode(message).finish(),
    chunks: [],
    ...more,
  };
}

const hash = (): string => randomBytes(32).toString('hex');
const manifest = (count: number, sizeBytes: number): ArchiveEvent['image'] => ({
  $case: 'chunks',
  value: { chunkCount: count, chunkSizeBytes: sizeBytes },
});

const chunksOf = (
  { imageHash, handoffId }: ArchiveEvent,
  count: number,
  data: (index: number) => Uint8Array,
): BadChunk[] =>
  Array.from({ length: count }, (_, index) => ({
    subject: blobSubject(imageHash, handoffId, index),
    data: data(index),
  }));

const imageSize = fc.integer({ min: 1, max: 40 * KIB });

/** One of every kind and shape. */
export const anyBadEvent = (): fc.Arbitrary<BadEvent> =>
  fc.oneof(
    garbage(),
    truncated(),
    nested(),
    emptyPayload(),
    badField(),
    wrongHash(),
    wrongSize(),
    wrongSubject(),
    missingChunks(),
    wrongChunks(),
    hugeImage(),
    absurdManifest(),
  );

/** Every kind of event that must end as a dead letter. */
export const BAD_EVENT_KINDS: readonly string[] = [
  'garbage',
  'truncated',
  'nested groups',
  'empty payload',
  'bad field',
  'wrong hash',
  'wrong size',
  'wrong subject',
  'missing chunks',
  'wrong chunks',
  'huge image',
  'absurd manifest',
];

/** A first byte with wire type 7, which protobuf has not. */
const garbage = (): fc.Arbitrary<BadEvent> =>
  fc
    .record({ first: fc.integer({ min: 0, max: 31 }), rest: fc.uint8Array({ maxLength: 4 * KIB }) })
    .map(({ first, rest }) => {
      const payload = Buffer.concat([Buffer.from([(first << 3) | 7]), rest]);
      return badEvent('garbage', 'UNDECODABLE', goodMessage(1), { payload });
    });

const truncated = (): fc.Arbitrary<BadEvent> =>
  fc
    .record({ size: imageSize, part: fc.double({ min: 0.1, max: 0.99, noNaN: true }) })
    .map(({ size, part }) => {
      const message = goodMessage(size + 1_000);
      const whole = ArchiveEvent.encode(message).finish();
      // Cut within the image, which is last.
      const payload = whole.subarray(0, whole.length - 1 - Math.floor(part * size));
      return badEvent('truncated', 'UNDECODABLE', message, { payload });
    });

/** Groups within groups, for parsers that recurse. */
const nested = (): fc.Arbitrary<BadEvent> =>
  fc
    .integer({ min: 1, max: 500 * KIB })
    .map((depth) =>
      badEvent('nested groups', 'UNDECODABLE', goodMessage(1), { payload: Buffer.alloc(depth, 0xfb) }),
    );

/** Also as what a server sends when it has nothing to send. */
const emptyPayload = (): fc.Arbitrary<BadEvent> =>
  fc.constantFrom(0, 100, 404, 408, 409, 503).map((status) =>
    badEvent('empty payload', 'INVALID_FIELD', goodMessage(1), {
      payload: new Uint8Array(),
      ...(status === 0 ? {} : { headers: headers(status, 'Forged') }),
    }),
  );

const badField = (): fc.Arbitrary<BadEvent> =>
  fc
    .oneof(
      fc.constant({ schemaVersion: 0 }),
      fc.string({ maxLength: 40 }).map((handoffId) => ({ handoffId: `x${handoffId}` })),
      fc.string({ maxLength: 80 }).map((imageHash) => ({ imageHash: `X${imageHash}` })),
      fc.string({ maxLength: 40 }).map((requestId) => ({ requestId: `x${requestId}` })),
      fc.constantFrom('', 'image/png', 'IMAGE/JPEG').map((imageMediaType) => ({ imageMediaType })),
      fc.constant({ inputRecord: new Uint8Array() }),
      fc.constant({ createTime: undefined }),
      fc.constant({ image: undefined }),
      fc.constant({ imageSizeBytes: 0n }),
    )
    .map((fields: Partial<ArchiveEvent>) => {
      const good = goodMessage(100);
      const message = { ...good, ...fields };
      return badEvent('bad field', 'INVALID_FIELD', message, {
        subjectHash: good.imageHash,
        messageId: good.handoffId,
      });
    });

const wrongHash = (): fc.Arbitrary<BadEvent> =>
  fc.record({ size: imageSize, chunked: fc.boolean() }).map(({ size, chunked }) => {
    const message = { ...goodMessage(size), imageHash: hash() };
    if (!chunked) return badEvent('wrong hash', 'HASH_MISMATCH', message);
    const withManifest = { ...message, image: manifest(1, 64 * KIB) };
    const chunks = chunksOf(message, 1, () => randomBytes(size));
    return badEvent('wrong hash', 'HASH_MISMATCH', withManifest, { chunks });
  });

const wrongSize = (): fc.Arbitrary<BadEvent> =>
  fc
    .record({ size: imageSize, off: fc.integer({ min: 1, max: 1_000 }) })
    .map(({ size, off }) =>
      badEvent('wrong size', 'SIZE_MISMATCH', { ...goodMessage(size), imageSizeBytes: BigInt(size + off) }),
    );

/** A subject of another image, of none, one too long to be repeated, and a pattern. */
const wrongSubject = (): fc.Arbitrary<BadEvent> =>
  fc.constantFrom('other', 'word', 'long', 'star', 'escape').map((subject) => {
    const subjects = { other: hash(), word: 'x', long: 'x'.repeat(3_980), star: '*', escape: '\u001B[2J' };
    // Every event under a subject of its own, but for the pattern, of which there is one.
    const subjectHash = subject === 'word' ? randomUUID() : subjects[subject as keyof typeof subjects];
    return badEvent('wrong subject', 'INVALID_FIELD', goodMessage(100), { subjectHash });
  });

const missingChunks = (): fc.Arbitrary<BadEvent> =>
  fc.record({ count: fc.integer({ min: 2, max: 6 }), missing: fc.nat() }).map(({ count, missing }) => {
    const good = goodMessage(count * 4 * KIB);
    const message = { ...good, image: manifest(count, 4 * KIB) };
    const chunks = chunksOf(good, count, () => randomBytes(4 * KIB));
    chunks.splice(missing % count, 1);
    return badEvent('missing chunks', 'CHUNKS_MISSING', message, { chunks });
  });

/** Chunks of the wrong size, empty ones, and ones whose headers claim to be an error of the server. */
const wrongChunks = (): fc.Arbitrary<BadEvent> =>
  fc
    .record({
      count: fc.integer({ min: 1, max: 4 }),
      bytes: fc.constantFrom(0, 1, 4 * KIB - 1, 4 * KIB + 1, 300 * KIB),
      status: fc.constantFrom(0, 100, 404, 408, 503),
    })
    .map(({ count, bytes, status }) => {
      const good = goodMessage(count * 4 * KIB);
      const message = { ...good, image: manifest(count, 4 * KIB) };
      const chunks = chunksOf(good, count, () => randomBytes(bytes)).map((chunk) => ({
        ...chunk,
        ...(status === 0 ? {} : { headers: headers(status, 'Forged') }),
      }));
      return badEvent('wrong chunks', 'SIZE_MISMATCH', message, { chunks });
    });

/** Sizes that would take all memory, and the largest that is allowed, of which nothing is there. */
const hugeImage = (): fc.Arbitrary<BadEvent> =>
  fc
    .oneof(
      fc.bigInt({ min: BigInt(MAX_IMAGE_BYTES) + 1n, max: 2n ** 64n - 1n }),
      fc.constant(BigInt(MAX_IMAGE_BYTES)),
    )
    .map((imageSizeBytes) => {
      const allowed = imageSizeBytes === BigInt(MAX_IMAGE_BYTES);
      const count = allowed ? chunkCount(MAX_IMAGE_BYTES) : 4_000_000_000;
      const message = { ...goodMessage(1), imageSizeBytes, image: manifest(count, 256 * KIB) };
      return badEvent('huge image', allowed ? 'CHUNKS_MISSING' : 'INVALID_FIELD', message);
    });

/** Numbers of chunks that do not fit the size, none at all, and one chunk for every byte. */
const absurdManifest = (): fc.Arbitrary<BadEvent> =>
  fc
    .constantFrom<readonly [imageBytes: number, count: number, chunkBytes: number]>(
      [KIB, 0, 0],
      [KIB, 1, 0],
      [KIB, 0, KIB],
      [KIB, 2 ** 32 - 1, KIB],
      [KIB, 1, 2 ** 32 - 1],
      [MAX_IMAGE_BYTES, MAX_IMAGE_BYTES, 1],
      [MAX_IMAGE_BYTES, MAX_IMAGE_BYTES / 2, 2],
    )
    .map(([bytes, count, chunkBytes]) => {
      const message = {
        ...goodMessage(1),
        imageSizeBytes: BigInt(bytes),
        image: manifest(count, chunkBytes),
      };
      return badEvent('absurd manifest', 'INVALID_FIELD', message);
    });
