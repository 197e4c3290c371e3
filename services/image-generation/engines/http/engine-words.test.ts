import { expect, test } from 'vitest';
import { engineWords } from './engine-words.ts';

const PROMPT = 'a very private wish about a lighthouse';

test('an engine’s text is bounded and of one line', () => {
  const words = engineWords(`first\nsecond\u0000${'x'.repeat(2_000)}`, [PROMPT]);
  expect(words).toHaveLength(500);
  expect(words).toMatch(/^first second x/);
});

test.each([PROMPT, `500: ${PROMPT} failed`, '… private wish about …', 'hush'])(
  'is withheld when it repeats a prompt or a part of it: %s',
  (text) => expect(engineWords(text, [PROMPT, 'hush'])).toBe('(withheld: it repeats the prompt)'),
);

test('an empty prompt is in every text, and withholds none', () => {
  expect(engineWords('CUDA out of memory', ['', '  '])).toBe('CUDA out of memory');
});
