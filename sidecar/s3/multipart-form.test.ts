import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { BODY_CHUNK_BYTES, multipartForm, randomBoundary } from './multipart-form.ts';

const file = (bytes: Uint8Array) => ({ filename: 'output.jpg', contentType: 'image/jpeg', bytes });

it('frames the fields in order, then the file, and ends in CRLF', () => {
  const form = multipartForm(
    [
      ['key', 'a/b.jpg'],
      ['acl', 'private'],
    ],
    file(Buffer.from('JPEG')),
    'B',
  );
  const text =
    '--B\r\nContent-Disposition: form-data; name="key"\r\n\r\na/b.jpg\r\n' +
    '--B\r\nContent-Disposition: form-data; name="acl"\r\n\r\nprivate\r\n' +
    '--B\r\nContent-Disposition: form-data; name="file"; filename="output.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' +
    'JPEG\r\n--B--\r\n';
  expect(Buffer.concat(form.body).toString()).toBe(text);
  expect(form.lengthBytes).toBe(text.length);
  expect(form.contentType).toBe('multipart/form-data; boundary=B');
});

it('is read back unchanged by an independent parser', async () => {
  const bytes = randomBytes(3 * BODY_CHUNK_BYTES + 17);
  const form = multipartForm([['key', 'a/b.jpg']], file(bytes));
  const parsed = await new Response(Buffer.concat(form.body), {
    headers: { 'content-type': form.contentType },
  }).formData();
  expect(parsed.get('key')).toBe('a/b.jpg');
  const stored = parsed.get('file') as File;
  expect(Buffer.from(await stored.arrayBuffer()).equals(bytes)).toBe(true);
  expect(stored.name).toBe('output.jpg');
  expect(stored.type).toBe('image/jpeg');
});

it('holds views of the file, not copies, none above 256 KiB', () => {
  const bytes = new Uint8Array(2 * BODY_CHUNK_BYTES + 1);
  const views = multipartForm([], file(bytes)).body.slice(1, -1);
  expect(views.map(({ length }) => length)).toEqual([BODY_CHUNK_BYTES, BODY_CHUNK_BYTES, 1]);
  expect(views.every(({ buffer }) => buffer === bytes.buffer)).toBe(true);
});

it('sends an empty file without an empty chunk', () => {
  const form = multipartForm([], file(new Uint8Array()), 'B');
  expect(form.body).toHaveLength(2);
  expect(form.lengthBytes).toBe(Buffer.concat(form.body).length);
});

it('makes a fresh boundary of at most 70 characters that needs no quotes', () => {
  expect(randomBoundary()).toMatch(/^[A-Za-z0-9_-]{1,70}$/);
  expect(randomBoundary()).not.toBe(randomBoundary());
});

it.each<[string, [string, string][], string]>([
  ['a quote in a name', [['a"b', 'c']], 'f.jpg'],
  ['a line break in a name', [['a\r\nb', 'c']], 'f.jpg'],
  ['a line break in a value', [['a', 'b\r\nc']], 'f.jpg'],
  ['a quote in the file name', [], 'f".jpg'],
  ['more than 20480 bytes of fields', [['a', 'x'.repeat(20_480)]], 'f.jpg'],
])('refuses %s', (_, fields, filename) => {
  const refused = { filename, contentType: 'image/jpeg', bytes: new Uint8Array(1) };
  expect(() => multipartForm(fields, refused)).toThrow(RangeError);
});
