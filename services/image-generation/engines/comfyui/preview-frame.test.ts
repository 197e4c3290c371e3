import { expect, test } from 'vitest';
import { previewFrame } from './preview-frame.ts';

const u32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4));
  return bytes;
};
const JPEG = Buffer.from('ffd8ffe000104a464946', 'hex');
const PNG = Buffer.from('89504e470d0a1a0a', 'hex');
const METADATA = Buffer.from('{"node_id":"6","image_type":"image/png"}');

test('a preview is what follows the two numbers', () => {
  expect(previewFrame(Buffer.concat([u32(1, 1), JPEG]))).toEqual({ mediaType: 'image/jpeg', data: JPEG });
});

test('a preview with metadata is what follows the text', () => {
  const message = Buffer.concat([u32(4, METADATA.length), METADATA, PNG]);
  expect(previewFrame(message)).toEqual({ mediaType: 'image/png', data: PNG });
});

test.each([
  ['too short', u32(1)],
  ['of another kind', Buffer.concat([u32(3, 1), JPEG])],
  ['no picture', Buffer.concat([u32(1, 1), Buffer.from('<html>')])],
  ['with metadata beyond its end', Buffer.concat([u32(4, 4_000_000_000), PNG])],
  ['too large', Buffer.concat([u32(1, 1), JPEG, Buffer.alloc(1024 * 1024)])],
])('a message that is %s is no preview', (_, message) => {
  expect(previewFrame(message)).toBeUndefined();
});
