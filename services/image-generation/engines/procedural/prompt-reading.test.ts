import { describe, expect, it } from 'vitest';
import { readPrompt } from './prompt-reading.ts';

const roles = (prompt: string) => readPrompt(prompt, '').colours.map(({ role }) => role);
const traits = (prompt: string, negative = '') => [...readPrompt(prompt, negative).traits].toSorted();

describe('reading a prompt', () => {
  it('finds places, times and weather whatever the case and punctuation', () => {
    expect(traits('A FOREST; at Dawn,(fog)')).toEqual(['fog', 'forest', 'sunrise']);
  });

  it('prefers phrases of two words to their parts', () => {
    expect(traits('golden hour')).toEqual(['golden']);
    expect(readPrompt('golden hour', '').colours).toEqual([]);
    expect(traits('northern lights')).toEqual(['aurora']);
  });

  it('finds plurals', () => {
    expect(traits('mountains')).toEqual(['mountain']);
  });

  it('ties a colour to the noun behind it', () => {
    expect(roles('red sun over purple hills, teal')).toEqual(['light', 'ground', 'all']);
  });

  it('leaves out what is negated, in the prompt or in the negative prompt', () => {
    expect(traits('lake without clouds, stars')).toEqual(['lake', 'stars']);
    expect(traits('lake, clouds, stars', 'cloudy')).toEqual(['lake', 'stars']);
    expect(readPrompt('red and blue', 'blue').colours).toHaveLength(1);
  });

  it('negates only the next thing known', () => {
    const reading = readPrompt('no big clouds, stars', '');
    expect([...reading.unwantedTraits]).toEqual(['clouds']);
    expect([...reading.traits]).toEqual(['stars']);
  });

  it('keeps unknown words in the key and nowhere else', () => {
    const reading = readPrompt('Zorbl  quux!', '');
    expect(reading.key).toBe('zorbl quux');
    expect(reading.traits.size + reading.colours.length).toBe(0);
  });

  it('does not trip over words that every object has', () => {
    expect(traits('constructor toString __proto__ hasOwnProperty')).toEqual([]);
  });

  it('takes a prompt of any length', () => {
    expect(readPrompt('forest '.repeat(20_000), '').traits.has('forest')).toBe(true);
  });
});
