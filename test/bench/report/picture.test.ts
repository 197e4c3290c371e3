import { describe, expect, test } from 'vitest';
import { compared, flat } from '../measure/figures.ts';
import { curvesOf } from './curves.ts';
import { axisOf } from './growth-plot.ts';
import { pictureSvg } from './picture.ts';
import { THEMES } from './svg.ts';

const point = (of: string, at: number, ours: readonly number[]) =>
  flat({ what: of, unit: 'ms', ours }, { along: 'callers at once', of, at, from: 1 }, [2, 2, 2]);

describe('figures of one curve', () => {
  test('are in order, behind their baseline', () => {
    const [curve, ...others] = curvesOf([point('service', 64, [2, 2, 2.2]), point('service', 8, [1, 1, 1])]);
    expect(others).toEqual([]);
    expect(curve?.points.map(({ at, values }) => [at, values.median])).toEqual([
      [1, 2],
      [8, 1],
      [64, 2],
    ]);
    expect(curve).toMatchObject({ ratio: 1, verdict: 'ok' });
    expect(curve?.bound).toBeCloseTo(2.2);
  });

  test('have the worst verdict of all', () => {
    expect(curvesOf([point('service', 8, [3, 3, 3]), point('service', 64, [2, 2, 2])])[0]?.verdict).toBe(
      'short of target',
    );
  });

  test('are apart from those of other curves, and from what is on none', () => {
    const ratio = compared({ what: 'rate', unit: '/s', ours: [1] }, 'theirs', [1]);
    const curves = curvesOf([point('service', 8, [2, 2, 2]), ratio, point('NATS', 8, [2, 2, 2])]);
    expect(curves.map(({ of }) => of)).toEqual(['service', 'NATS']);
  });
});

test('the axis ends above the largest value of all rounds, and above the bound', () => {
  expect(axisOf(curvesOf([point('service', 8, [2, 2, 2.6])]))).toEqual({ top: 3, step: 0.5 });
  expect(axisOf(curvesOf([point('service', 8, [1, 1, 1])]))).toEqual({ top: 2.5, step: 0.5 });
  expect(axisOf(curvesOf([point('service', 8, [2, 2, 11])]))).toEqual({ top: 12, step: 2 });
  expect(axisOf([])).toEqual({ top: 1, step: 1 });
});

test('the picture has no number that is none, and no text that is markup', () => {
  const ratio = compared({ what: 'a < b & c', unit: '/s', ours: [1], target: { atMost: 2 } }, 'd', [0]);
  const svg = pictureSvg(
    {
      machine: {},
      benches: [{ name: 'x', title: 'x', leavesOut: '', seconds: 1, figures: [ratio, point('s', 8, [2])] }],
    },
    THEMES.dark,
  );
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(svg).toContain('a &lt; b &amp; c');
});
