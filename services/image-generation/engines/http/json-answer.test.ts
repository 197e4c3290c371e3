import { describe, expect, test } from 'vitest';
import { EngineError } from '../../errors.ts';
import { jsonAnswer } from './json-answer.ts';

const answer = (body: string | Buffer, contentType = 'application/json') =>
  jsonAnswer({ status: 200, path: '/route', contentType, body: Buffer.from(body) });
const picture = Buffer.alloc(300_000, 'some bytes of a picture');

describe('a JSON answer', () => {
  test.each([
    ['plain', picture.toString('base64')],
    ['with a data URL', `data:image/png;base64,${picture.toString('base64')}`],
    ['with escaped slashes', picture.toString('base64').replaceAll('/', '\\/')],
  ])('gives back a long picture, %s', async (_, base64) => {
    const json = await answer(`{"a":"x\\"y","images":["${base64}"],"info":"{\\"seed\\":1}"}`);
    const { images, ...rest } = json.value as { images: string[] };
    expect(rest).toEqual({ a: 'x"y', info: '{"seed":1}' });
    expect((await json.picture(images[0])).equals(picture)).toBe(true);
  });

  test('gives back a short picture', async () => {
    const json = await answer('{"images":["aGVsbG8="]}');
    expect((await json.picture('aGVsbG8=')).toString()).toBe('hello');
  });

  test('keeps long texts that end in backslashes whole', async () => {
    const text = `${'x'.repeat(70_000)}\\\\`;
    const json = await answer(`{"long":"${text}","after":1}`);
    expect(json.value).toMatchObject({ after: 1 });
  });

  test.each([
    ['HTML', '<html>', 'text/html'],
    ['half of it', '{"images":["aGVs', 'application/json'],
    ['nothing', '', 'application/json'],
    ['half of a long picture', `{"images":["${'A'.repeat(200_000)}`, 'application/json'],
  ])('that is %s is BAD_RESPONSE, without its text', async (_, body, type) => {
    const error = await answer(body, type).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(EngineError);
    expect(error).toMatchObject({ failure: 'BAD_RESPONSE' });
    expect(`${String(error)} ${String((error as Error).cause)}`).not.toContain('aGVs');
  });

  test.each([
    ['empty', ''],
    ['no base64', 'this is not base64!'],
    ['cut off', 'aGVsbG8aa'],
    ['padded in the middle', `${'A'.repeat(524_286)}==${'A'.repeat(8)}`],
    ['no text', 7],
  ])('with a picture that is %s is BAD_RESPONSE', async (_, text) => {
    const json = await answer('{}');
    await expect(json.picture(text)).rejects.toMatchObject({ failure: 'BAD_RESPONSE' });
  });

  test('without a content type is believed: KoboldCpp sends none', async () => {
    expect((await answer('{"a":1}', '')).value).toEqual({ a: 1 });
  });
});
