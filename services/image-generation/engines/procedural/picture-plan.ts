import type { Canvas } from './canvas.ts';
import { paintAurora } from './layers/aurora.ts';
import { drawBeach } from './layers/beach.ts';
import { drawBokeh, drawFireflies } from './layers/bokeh.ts';
import { paintBrushwork } from './layers/brushwork.ts';
import { drawMoon, paintSun } from './layers/celestial.ts';
import { drawCity } from './layers/city.ts';
import { paintClouds } from './layers/clouds.ts';
import { drawDunes } from './layers/dunes.ts';
import { drawWave, paintFlow } from './layers/flow.ts';
import { drawHills } from './layers/hills.ts';
import type { Drawing, SoftLayer, Studio } from './layers/layer.ts';
import { drawGrass } from './layers/meadow.ts';
import { drawMountains } from './layers/mountains.ts';
import { paintNebula } from './layers/nebula.ts';
import { paintGlow, paintSky } from './layers/sky.ts';
import { drawPlanet, drawStars } from './layers/stars.ts';
import { paintWater } from './layers/water.ts';
import { drawMist, drawRain, drawRays, drawSnowfall } from './layers/weather.ts';
import type { Scene } from './scene.ts';

/** One layer of the picture. Soft ones come first, in the field; then the canvas is only drawn upon. */
export type Layer = {
  /** 0 is always painted; others, lowest first, as far as the steps allow. */
  readonly rank: number;
} & (
  | { readonly kind: 'soft'; readonly paint: SoftLayer }
  | { readonly kind: 'crisp'; draw(studio: Studio): readonly Drawing[] | Promise<readonly Drawing[]> }
  | { readonly kind: 'canvas'; apply(canvas: Canvas, studio: Studio): Promise<Canvas> }
);

/** Refinement rounds on offer: enough for the largest number of steps. */
const ROUNDS = 26;

/** The layers to paint with this many steps, back to front: all of rank 0, then by rank while steps last. */
export function planPicture(scene: Scene, steps: number): readonly Layer[] {
  const layers = [...softLayers(scene), ...crispLayers(scene)];
  const always = layers.filter((layer) => layer.rank === 0).length;
  const refinements = layers.filter((layer) => layer.rank > 0).toSorted((a, b) => a.rank - b.rank);
  const chosen = new Set(refinements.slice(0, Math.max(0, steps - always)));
  return layers.filter((layer) => layer.rank === 0 || chosen.has(layer));
}

function softLayers(scene: Scene): readonly Layer[] {
  const soft = (rank: number, paint: SoftLayer): Layer => ({ kind: 'soft', rank, paint });
  const brushwork = Array.from({ length: ROUNDS }, (_, round) => soft(20 + round, paintBrushwork(round)));
  if (scene.kind === 'abstract') {
    return [soft(0, paintFlow), ...brushwork];
  }
  const nebulae =
    scene.galaxy > 0
      ? [0, 1, 2].map((i) => soft(i, paintNebula(`${i}`, scene.galaxy * (0.8 - 0.25 * i))))
      : [];
  const auroras = scene.aurora > 0 ? [0, 1, 2].map((i) => soft(i, paintAurora(`${i}`, 0.95 - 0.25 * i))) : [];
  if (scene.kind === 'space') {
    return [soft(0, paintSky), ...nebulae, ...auroras, ...brushwork];
  }
  return [
    soft(0, paintSky),
    ...nebulae,
    ...auroras,
    soft(0, paintGlow),
    soft(0, paintSun),
    ...cloudLayers(scene),
    ...brushwork,
  ];
}

function cloudLayers(scene: Scene): readonly Layer[] {
  if (scene.clouds < 0.05) return [];
  const { clouds: coverage, cloudKind } = scene;
  const soft = (rank: number, paint: SoftLayer): Layer => ({ kind: 'soft', rank, paint });
  const veil = { stretch: 3.4, octaves: 4, opacity: 0.5, softness: 0.9 };
  const heap = { stretch: 1.25, octaves: 5, opacity: 0.97, softness: 0.25 };
  const sheet = { stretch: 1.5, octaves: 6, opacity: 0.97, softness: 0.4 };
  const main = cloudKind === 'wisps' ? { ...veil, opacity: 0.8 } : cloudKind === 'sheet' ? sheet : heap;
  const more = Array.from({ length: ROUNDS }, (_, round) =>
    soft(
      18.5 + round,
      paintClouds({
        ...veil,
        name: `more ${round}`,
        coverage: coverage * 0.4,
        frequency: 3 + round * 0.5,
        opacity: 0.16,
      }),
    ),
  );
  return [
    soft(2, paintClouds({ ...veil, name: 'veil', coverage: coverage * 0.8, frequency: 2.2 })),
    soft(0, paintClouds({ ...main, name: 'main', coverage, frequency: cloudKind === 'wisps' ? 1.7 : 2.3 })),
    ...more,
  ];
}

function crispLayers(scene: Scene): readonly Layer[] {
  const crisp = (
    rank: number,
    draw: (studio: Studio) => readonly Drawing[] | Promise<readonly Drawing[]>,
  ): Layer => ({
    kind: 'crisp',
    rank,
    draw,
  });
  const rounds = (
    wanted: number,
    rank: number,
    count: number,
    draw: (studio: Studio, round: number) => readonly Drawing[],
  ) =>
    wanted > 0
      ? Array.from({ length: count }, (_, i) => crisp(i === 0 ? 0 : rank + i * 3, (s) => draw(s, i)))
      : [];
  const above = [...rounds(scene.stars, 6, 6, drawStars), crisp(0, drawMoon)];
  const front = [
    ...rounds(scene.grass, 1, 3, (studio, band) => drawGrass(studio, band, 3)),
    ...(scene.rays > 0 ? [crisp(0, drawRays)] : []),
    ...rounds(scene.bokeh, 1, 5, drawBokeh),
    ...rounds(scene.fireflies, 4, 4, drawFireflies),
    ...rounds(scene.rain, 1, 5, drawRain),
    ...rounds(scene.snowfall, 1, 5, drawSnowfall),
  ];
  if (scene.kind === 'abstract') {
    return [...rounds(1 - scene.bokeh, 1, 8, drawWave), ...front];
  }
  if (scene.kind === 'space') return [...above, crisp(1, drawPlanet), ...front];
  return [...above, ...land(scene, crisp), ...front];
}

type Crisp = (
  rank: number,
  draw: (studio: Studio) => readonly Drawing[] | Promise<readonly Drawing[]>,
) => Layer;

function land(scene: Scene, crisp: Crisp): readonly Layer[] {
  const mist = (rank: number, name: string, v: number, strength: number): Layer =>
    crisp(rank, (studio) => drawMist(studio, name, v, strength));
  const hill = (rank: number, name: string, depth: number, base: number): Layer =>
    crisp(rank, (studio) => drawHills(studio, name, depth, base));
  const { horizon } = scene;
  const far = farLand(scene, crisp, hill);
  if (scene.water !== 'none') {
    return [
      ...far,
      { kind: 'canvas', rank: 0, apply: paintWater },
      mist(1, 'shore', horizon, 0.8),
      ...(scene.beach ? [crisp(0, drawBeach)] : []),
      ...(scene.water === 'lake' && !scene.minimal ? [hill(1, 'bank', 0.92, 0.955)] : []),
    ];
  }
  const down = (share: number): number => horizon + (1 - horizon) * share;
  if (scene.terrain === 'city') return [...far, mist(2, 'street', 0.95, 0.7)];
  if (scene.terrain === 'dunes') {
    return [
      ...far,
      ...[0, 0.3, 0.62, 1].map((depth, i) =>
        crisp(i === 1 ? 1 : 0, (studio) => drawDunes(studio, `${i}`, depth)),
      ),
    ];
  }
  return [
    ...far,
    ...(scene.minimal || scene.terrain === 'mountains'
      ? []
      : [hill(1, 'far', 0.08, down(0.06)), mist(5, 'far', down(0.16), 0.8)]),
    hill(0, 'third', 0.3, down(scene.terrain === 'mountains' ? 0.3 : 0.2)),
    mist(3, 'middle', down(0.36), 1),
    hill(scene.minimal ? 8 : 0, 'second', 0.55, down(scene.terrain === 'mountains' ? 0.5 : 0.42)),
    mist(1, 'near', down(0.62), 1),
    hill(0, 'near', 0.82, down(0.72)),
    ...(scene.minimal ? [] : [mist(4, 'front', down(0.86), 0.75), hill(2, 'front', 1, down(0.98))]),
  ];
}

function farLand(
  scene: Scene,
  crisp: Crisp,
  hill: (rank: number, name: string, depth: number, base: number) => Layer,
): readonly Layer[] {
  if (scene.terrain === 'mountains') {
    return [
      crisp(2, (studio) => drawMountains(studio, 'far', 0.2)),
      crisp(0, (studio) => drawMountains(studio, 'near', 1)),
      ...(scene.water === 'lake' ? [hill(1, 'shore', 0.5, scene.horizon + 0.012)] : []),
    ];
  }
  if (scene.terrain === 'city') {
    return [0.1, 0.5, 1].map((depth, i) =>
      crisp(i === 1 ? 1 : 0, (studio) => drawCity(studio, `${i}`, depth)),
    );
  }
  if (scene.terrain === 'hills' && scene.water !== 'none') {
    return [hill(1, 'far', 0.12, scene.horizon - 0.03), hill(0, 'shore', 0.42, scene.horizon + 0.005)];
  }
  return [];
}
