import { expect, test } from 'vitest';
import { fileNames } from './file-names.ts';

test('files are named without folder and ending, and with their folders where that is not enough', () => {
  const files = ['a.safetensors', 'styles/ink.safetensors', 'old\\ink.ckpt', 'v1.5.safetensors', 'x<y.pt'];
  expect([...fileNames(files)]).toEqual([
    ['a', 'a.safetensors'],
    ['styles.ink', 'styles/ink.safetensors'],
    ['old.ink', 'old\\ink.ckpt'],
    ['v1.5', 'v1.5.safetensors'],
  ]);
});
