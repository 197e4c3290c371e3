import { expect, test } from 'vitest';
import { absolute, compared, flat } from '../measure/figures.ts';
import { markdownReport } from './markdown.ts';
import type { BenchReport } from './report.ts';

const machine = { machine: '2 × Some CPU, 16 GB', command: 'npm run bench -- --markdown' };
const bench = (figures: BenchReport['figures']): BenchReport => ({
  name: 'some',
  title: 'Some bench',
  leavesOut: 'a | b',
  figures,
  seconds: 1,
});

test('says where, how and what, with targets and verdicts', () => {
  const curve = { along: 'callers at once', of: 'service', at: 8, from: 1 };
  const figures = [
    absolute({ what: 'memory', unit: 'MB', ours: [240, 250, 260], target: { atMost: 250 } }),
    compared({ what: 'rate', unit: '/s', ours: [8, 8, 8], target: { atLeast: 0.9 } }, 'theirs', [10, 10, 10]),
    flat({ what: 'cost', unit: 'ms', ours: [2, 2, 2] }, curve, [1.9, 2, 2.1]),
  ];
  expect(
    markdownReport({ machine, benches: [bench(figures)] }),
  ).toBe(`<!-- Generated: npm run bench -- --markdown -->

- machine: 2 × Some CPU, 16 GB
- command: \`npm run bench -- --markdown\`

**Some bench** (\`some\`)

| what | ours | compared with | theirs | ratio | target | verdict |
| --- | --- | --- | --- | --- | --- | --- |
| memory | 250 (240–260) MB |  |  |  | ≤ 250 | ok |
| rate | 8 (8–8) /s | theirs | 10 (10–10) /s | 0.8 (0.8–0.8) | ≥ 0.9 | short of target |
| cost | 2 (2–2) ms | at 1 | 2 (1.9–2.1) ms | 1 (0.952–1.05) | ≤ 1.15 (1 + 0.1 + 0.05 spread) | ok |

Leaves out: a \\| b
`);
});

test('says why a bench was skipped', () => {
  const skipped = { ...bench([]), skipped: 'python3 has not all of: grpc' };
  expect(markdownReport({ machine, benches: [skipped] })).toContain(
    '**Some bench** (`some`): skipped, python3 has not all of: grpc\n',
  );
});
