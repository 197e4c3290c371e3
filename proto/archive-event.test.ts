import { randomBytes, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { type CheckedArchiveEvent, decodeArchiveEvent, encodeArchiveEvent } from './archive-event.ts';
import { ArchiveEvent } from './gen/sekai/archive/v1/archive_event.ts';

function eventWith(image: CheckedArchiveEvent['image'], imageSizeBytes: number): CheckedArchiveEvent {
  return {
    handoffId: randomUUID(),
    imageHash: 'a'.repeat(64),
    imageSizeBytes,
    imageMediaType: 'image/jpeg',
    requestId: randomUUID(),
    createTime: new Date(),
    inputRecord: Buffer.from('{}'),
    image,
  };
}

test.each([1, 127, 128, 20_000, 500_000])(
  'an event with %i bytes of image inline has exactly the bytes that the generated encoder gives it',
  (size) => {
    const bytes = randomBytes(size);
    const encoded = encodeArchiveEvent(eventWith({ kind: 'inline', bytes }, size));
    const generated = ArchiveEvent.encode(ArchiveEvent.decode(encoded)).finish();
    expect(Buffer.from(generated).equals(encoded)).toBe(true);
    const { image } = decodeArchiveEvent(encoded);
    expect(image.kind === 'inline' && bytes.equals(image.bytes)).toBe(true);
  },
);

test('an event with chunks comes back as it was', () => {
  const event = eventWith({ kind: 'chunked', chunkCount: 3, chunkBytes: 256 * 1024 }, 600_000);
  const { inputRecord, ...rest } = decodeArchiveEvent(encodeArchiveEvent(event));
  expect({ ...rest, inputRecord: Buffer.from(inputRecord) }).toEqual(event);
});
