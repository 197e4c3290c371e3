/** Strictness of the simulators: what a body holds must be known and of the right type. */

export type FieldType = 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array';

export interface FieldProblem {
  readonly field: string;
  readonly kind: 'unknown' | 'missing' | 'type';
  readonly expected: FieldType | undefined;
}

const FITS: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  integer: Number.isInteger,
  number: Number.isFinite,
  boolean: (value) => typeof value === 'boolean',
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  array: Array.isArray,
};

/** Every problem of `body`, whose fields are `fields`; those in `required` must be there. */
export function fieldProblems(
  body: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, FieldType>>,
  required: readonly string[] = [],
): FieldProblem[] {
  const missing = required
    .filter((field) => body[field] === undefined)
    .map((field): FieldProblem => ({ field, kind: 'missing', expected: fields[field] }));
  const wrong = Object.entries(body).flatMap(([field, value]): FieldProblem[] => {
    const expected = fields[field];
    if (expected === undefined) return [{ field, kind: 'unknown', expected }];
    return FITS[expected](value) ? [] : [{ field, kind: 'type', expected }];
  });
  return [...missing, ...wrong];
}
