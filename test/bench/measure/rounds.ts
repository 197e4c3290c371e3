type Subjects<Name extends string, Value> = Readonly<Record<Name, (round: number) => Promise<Value>>>;

/**
 * Measures all subjects once in each round, each round beginning with another one, so that what the machine does
 * meanwhile hits all alike. One round before is not counted: it warms up.
 */
export async function interleaved<Name extends string, Value>(
  rounds: number,
  subjects: Subjects<Name, Value>,
): Promise<Record<Name, Value[]>> {
  const names = Object.keys(subjects) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, [] as Value[]])) as Record<Name, Value[]>;
  for (let round = -1; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(turn + round + 1) % names.length] as Name;
      const value = await subjects[name](round);
      if (round >= 0) values[name].push(value);
    }
  }
  return values;
}

/** Does `work` again and again for `seconds`, once at least. */
export async function repeated(work: () => Promise<unknown>, seconds: number): Promise<void> {
  const until = performance.now() + seconds * 1000;
  do await work();
  while (performance.now() < until);
}
