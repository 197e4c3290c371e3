import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formBoundary, MAX_PRE_DATA_BYTES, openForm } from './multipart-form.ts';
import { BOUNDARY, encodeForm } from './_support/signed-form.ts';

async function* pieces(body: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

async function read(body: Buffer, size = body.length) {
  const form = await openForm(pieces(body, size), BOUNDARY);
  const chunks: Buffer[] = [];
  for await (const chunk of form.file?.content ?? []) chunks.push(chunk);
  const fields = Object.fromEntries([...form.fields.values()].map(({ name, value }) => [name, value]));
  return { fields, filename: form.file?.filename, content: Buffer.concat(chunks) };
}

describe('a form', () => {
  test('reads the same however its bytes are cut', async () => {
    const content = Buffer.from(`line\r\n--${BOUNDARY.slice(0, -1)}\r\n--\r\n-\r\n`);
    const body = encodeForm(
      [
        ['key', 'é\r\nb'],
        ['Empty', ''],
      ],
      { content, filename: 'a.txt' },
    );
    for (let size = 1; size <= body.length; size += 1) {
      expect(await read(body, size)).toEqual({
        fields: { key: 'é\r\nb', Empty: '' },
        filename: 'a.txt',
        content,
      });
    }
  });

  test('gives any file back byte by byte', async () => {
    const file = fc.uint8Array({ maxLength: 400 });
    await fc.assert(
      fc.asyncProperty(file, fc.integer({ min: 1, max: 100 }), async (bytes, size) => {
        const { content } = await read(encodeForm([['key', 'k']], { content: bytes }), size);
        expect(content.equals(Buffer.from(bytes))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('knows its file by the name alone, and by the last part of its path', async () => {
    const body = Buffer.from(
      `--${BOUNDARY}\r\ncontent-disposition: form-data; name=key; filename="not-the-file"\r\n\r\nk\r\n` +
        `--${BOUNDARY}\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="file"; filename="C:\\x\\y/z.png"\r\n\r\nbytes\r\n--${BOUNDARY}--`,
    );
    expect(await read(body)).toEqual({
      fields: { key: 'k' },
      filename: 'z.png',
      content: Buffer.from('bytes'),
    });
  });

  test('forgets what comes after the file', async () => {
    const { fields } = await read(encodeForm([['a', '1']], { content: 'x', after: [['key', 'late']] }));
    expect(fields).toEqual({ a: '1' });
  });

  test('may hold just as much before the file as S3 takes', async () => {
    const overhead = encodeForm([['padding', '']], undefined).length;
    const most = 'p'.repeat(MAX_PRE_DATA_BYTES - overhead - 100);
    expect((await read(encodeForm([['padding', most]], { content: 'x' }), 1000)).fields['padding']).toBe(
      most,
    );
    await expect(
      read(encodeForm([['padding', `${most}${'p'.repeat(200)}`]], { content: 'x' }), 1000),
    ).rejects.toMatchObject({
      code: 'MaxPostPreDataLengthExceeded',
      details: { MaxPostPreDataLengthBytes: '20480' },
    });
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['no boundary', Buffer.from('key=value')],
    [
      'a part without a name',
      Buffer.from(`--${BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nx\r\n--${BOUNDARY}--\r\n`),
    ],
    ['text after the boundary', Buffer.from(`--${BOUNDARY} x\r\n\r\n`)],
    [
      'a field twice',
      encodeForm(
        [
          ['key', 'a'],
          ['Key', 'b'],
        ],
        { content: 'x' },
      ),
    ],
    ['a file without its end', encodeForm([['key', 'a']], { content: 'x' }).subarray(0, -8)],
    ['a field without its end', encodeForm([['key', 'a']], undefined).subarray(0, -8)],
  ])('with %s is malformed', async (_name, body) => {
    await expect(read(body, 7)).rejects.toMatchObject({ status: 400, code: 'MalformedPOSTRequest' });
  });
});

describe('the boundary', () => {
  test.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data;charset=utf-8; Boundary="a b"', 'a b'],
  ])('of %s is %s', (header, boundary) => {
    expect(formBoundary(header)).toBe(boundary);
  });

  test.each([undefined, 'text/html', 'multipart/mixed; boundary=a', 'application/x-www-form-urlencoded'])(
    'of %s is not looked for',
    (header) => {
      expect(() => formBoundary(header)).toThrow(
        expect.objectContaining({ status: 412, code: 'PreconditionFailed' }),
      );
    },
  );

  test('may not be missing', () => {
    expect(() => formBoundary('multipart/form-data')).toThrow(
      expect.objectContaining({ code: 'MalformedPOSTRequest' }),
    );
  });
});
