/** What an engine says about a failure: for the log, never for a caller. */

const MAX_LENGTH = 500;
/** A run of characters that an engine's text and a prompt do not share by chance. */
const TELLING_LENGTH = 16;
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]+/g;

/**
 * An engine's text as the log may have it: bounded, without control characters, and withheld altogether when it
 * repeats a part of `prompts`.
 */
export function engineWords(text: string, prompts: readonly string[]): string {
  const line = text.slice(0, MAX_LENGTH).replaceAll(CONTROL_CHARACTERS, ' ').trim();
  return prompts.some((prompt) => repeats(line, prompt)) ? '(withheld: it repeats the prompt)' : line;
}

function repeats(text: string, prompt: string): boolean {
  const trimmed = prompt.trim();
  if (trimmed === '') return false;
  if (trimmed.length <= TELLING_LENGTH) return text.includes(trimmed);
  for (let start = 0; start + TELLING_LENGTH <= trimmed.length; start += 1) {
    if (text.includes(trimmed.slice(start, start + TELLING_LENGTH))) return true;
  }
  return false;
}
