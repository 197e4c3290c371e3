/** Most digits that a float32 needs to be told from its neighbours (IEEE 754: 9). */
const FLOAT32_DIGITS = 9;

/**
 * The number that somebody wrote who now has `value` as a float32: 0.8 for 0.800000011920929. Engines, records and
 * people get that one. It is the shortest decimal with the same float32; infinities and NaN stay what they are.
 */
export function writtenFloat32(value: number): number {
  for (let digits = 1; digits < FLOAT32_DIGITS; digits += 1) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === Math.fround(value)) return shorter;
  }
  return value;
}
