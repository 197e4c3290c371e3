/** Views, not copies, of at most `chunkBytes` bytes each, in offset order. */
export function* chunksOf(
  bytes: Uint8Array,
  chunkBytes: number,
): Generator<{ readonly offset: number; readonly data: Uint8Array }> {
  for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
    yield { offset, data: bytes.subarray(offset, offset + chunkBytes) };
  }
}
