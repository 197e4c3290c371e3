/**
 * Text that came from a peer, for a terminal: without control and format characters, which could move the cursor,
 * change colours or reverse the line, and not longer than `maxLength`.
 */
export function printable(text: string, maxLength = 200): string {
  const plain = text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return plain.length <= maxLength ? plain : `${plain.slice(0, maxLength - 1)}…`;
}

/** An age for a glance, in its largest unit. */
export function formatAge(ageMs: number): string {
  const seconds = Math.max(0, Math.floor(ageMs / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
