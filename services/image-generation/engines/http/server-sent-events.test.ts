import { expect, test } from 'vitest';
import { serverSentEvents } from './server-sent-events.ts';

async function* inParts(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

async function eventsOf(text: string, size = text.length, maxBytes = 1_000): Promise<string[]> {
  const events: string[] = [];
  for await (const data of serverSentEvents(inParts(text, size), maxBytes)) events.push(data.toString());
  return events;
}

const STREAM =
  'event: a\ndata: {"é":1}\n\n: ping\n\ndata:two\r\ndata: lines\r\n\r\ndata\n\ndatabase: x\n\nid: 7\n\n';

test.each([1, 2, 3, 7, 1_000])('events come out the same from parts of %i bytes', async (size) => {
  expect(await eventsOf(STREAM, size)).toEqual(['{"é":1}', 'two\nlines', '']);
});

test('an event that the end of the stream cuts off is none', async () => {
  expect(await eventsOf('data: one\n\ndata: two\n')).toEqual(['one']);
});

test.each([
  ['one line', `data: ${'x'.repeat(200)}`],
  ['many lines', 'data: 1234567890\n'.repeat(20)],
  ['comments', ': 1234567890\n'.repeat(20)],
])('an event too large in %s is refused before it is complete', async (_, text) => {
  await expect(eventsOf(text, 16, 100)).rejects.toMatchObject({ failure: 'BAD_RESPONSE' });
});
