import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../../errors.ts';
import type { EngineEvent, EngineJob } from '../../image-engine.ts';
import { PROCEDURAL_CAPABILITIES } from './capabilities.ts';
import { createProceduralEngine } from './procedural-engine.ts';

const engine = createProceduralEngine();

function jobFor(changes: Partial<EngineJob> = {}): EngineJob {
  return {
    requestId: 'b5a7e1c2-0000-4000-8000-000000000001',
    prompt: 'mountain lake at sunset',
    negativePrompt: '',
    model: 'procedural-landscape-v1',
    width: 128,
    height: 128,
    seed: 7,
    steps: 4,
    guidanceScale: 7,
    sampler: '',
    loras: [],
    includePreviews: false,
    ...changes,
  };
}

async function eventsOf(changes: Partial<EngineJob> = {}): Promise<EngineEvent[]> {
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(jobFor(changes), new AbortController().signal)) {
    events.push(event);
  }
  return events;
}

async function pixelsOf(changes: Partial<EngineJob> = {}): Promise<Uint8Array> {
  const last = (await eventsOf(changes)).at(-1);
  if (last?.type !== 'image' || last.image.kind !== 'pixels') throw new Error('no picture');
  return last.image.data;
}

/** Mean of each channel, 0 to 255. */
function meanColour(pixels: Uint8Array): { r: number; g: number; b: number; light: number } {
  const sums = [0, 0, 0] as [number, number, number];
  for (let i = 0; i < pixels.length; i += 3) {
    for (const channel of [0, 1, 2] as const) sums[channel] += pixels[i + channel] ?? 0;
  }
  const [r, g, b] = sums.map((sum) => sum / (pixels.length / 3)) as [number, number, number];
  return { r, g, b, light: 0.2126 * r + 0.7152 * g + 0.0722 * b };
}

/** Mean difference of two pictures of the same size, levels of 255. */
function difference(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / a.length;
}

const lora = (name: string, strength: number) => ({ name, strength, textEncoderStrength: strength });

describe('the picture', () => {
  it('is the same for the same job, also among other jobs', async () => {
    const alone = await pixelsOf();
    const [first, , second] = await Promise.all([pixelsOf(), pixelsOf({ seed: 8 }), pixelsOf()]);
    expect(Buffer.from(first).equals(alone)).toBe(true);
    expect(Buffer.from(second).equals(alone)).toBe(true);
  });

  it('changes with the seed, the prompt and the number of steps', async () => {
    const base = await pixelsOf();
    expect(difference(base, await pixelsOf({ seed: 8 }))).toBeGreaterThan(3);
    expect(difference(base, await pixelsOf({ prompt: 'mountain lake at sunset, quietly' }))).toBeGreaterThan(
      3,
    );
    expect(difference(base, await pixelsOf({ steps: 14 }))).toBeGreaterThan(0.5);
  });

  it('differs for prompts without any known word', async () => {
    const picture = await pixelsOf({ prompt: 'zorbl' });
    expect(difference(picture, await pixelsOf({ prompt: 'quux' }))).toBeGreaterThan(5);
  });

  it.each([
    [64, 64],
    [64, 192],
    [192, 64],
    [200, 136],
    [512, 64],
  ])('has exactly the size asked for: %i × %i', async (width, height) => {
    for (const prompt of [
      'forest by the sea',
      'city',
      'abstract bokeh',
      'space',
      'desert',
      'winter mountain lake',
    ]) {
      expect(await pixelsOf({ prompt, width, height, steps: 12 })).toHaveLength(width * height * 3);
    }
  });
});

describe('words', () => {
  it('set the time: night is darker than noon', async () => {
    const night = meanColour(await pixelsOf({ prompt: 'hills at night' }));
    const noon = meanColour(await pixelsOf({ prompt: 'hills at noon' }));
    expect(noon.light).toBeGreaterThan(night.light + 60);
  });

  it('set the colour: each of red, green and blue leads its own channel', async () => {
    const [red, green, blue] = (
      await Promise.all(['red', 'green', 'blue'].map((prompt) => pixelsOf({ prompt })))
    ).map(meanColour);
    expect(red?.r).toBeGreaterThan((red?.b ?? 0) + 30);
    expect(blue?.b).toBeGreaterThan((blue?.r ?? 0) + 30);
    expect(green?.g).toBeGreaterThan((green?.r ?? 0) + 10);
  });

  it('lose their pull on colours as guidance falls', async () => {
    const strong = meanColour(await pixelsOf({ prompt: 'red hills at noon', guidanceScale: 7 }));
    const weak = meanColour(await pixelsOf({ prompt: 'red hills at noon', guidanceScale: 0 }));
    expect(strong.r - strong.b).toBeGreaterThan(weak.r - weak.b + 20);
  });

  it('in the negative prompt are not drawn', async () => {
    const moonlit = await pixelsOf({ prompt: 'moon over hills at night' });
    const moonless = await pixelsOf({ prompt: 'moon over hills at night', negativePrompt: 'moon' });
    const brightest = (pixels: Uint8Array): number =>
      pixels.reduce((most, value) => Math.max(most, value), 0);
    expect(brightest(moonlit)).toBeGreaterThan(brightest(moonless) + 30);
  });

  it('give an ocean a straight horizon with the sky mirrored below', async () => {
    const width = 128;
    const pixels = await pixelsOf({ prompt: 'calm ocean, clear noon', width, steps: 6 });
    const rowLight = Array.from(
      { length: 128 },
      (_, y) => meanColour(pixels.slice(y * width * 3, (y + 1) * width * 3)).light,
    );
    const steps = rowLight.slice(50, 100).map((light, i) => light - (rowLight[50 + i + 3] ?? light));
    const horizon = 50 + steps.indexOf(Math.max(...steps));
    expect(horizon).toBeGreaterThan(54);
    expect(horizon).toBeLessThan(90);
    expect(rowLight[127]).toBeLessThan(rowLight[horizon - 4] ?? 0);
  });
});

describe('LoRAs', () => {
  const base = pixelsOf();

  it.each(PROCEDURAL_CAPABILITIES.loras.map(({ name }) => name))(
    '%s changes the picture, more the stronger, and differently below zero',
    async (name) => {
      const plain = await base;
      const [weak, full, negative] = await Promise.all(
        [0.3, 1, -1].map((strength) => pixelsOf({ loras: [lora(name, strength)] })),
      );
      const weakly = difference(plain, weak as Uint8Array);
      expect(weakly).toBeGreaterThan(0.4);
      expect(difference(plain, full as Uint8Array)).toBeGreaterThan(weakly * 1.15);
      expect(difference(plain, negative as Uint8Array)).toBeGreaterThan(0.3);
      expect(difference(full as Uint8Array, negative as Uint8Array)).toBeGreaterThan(1);
    },
  );

  it('of strength 0 leave the picture untouched, also beside others', async () => {
    const none = PROCEDURAL_CAPABILITIES.loras.map(({ name }) => lora(name, 0));
    expect(Buffer.from(await pixelsOf({ loras: none })).equals(await base)).toBe(true);
    const one = await pixelsOf({ loras: [lora('neon', 1)] });
    expect(Buffer.from(await pixelsOf({ loras: [lora('mist', 0), lora('neon', 1)] })).equals(one)).toBe(true);
  });

  it('work in the order given', async () => {
    const forth = await pixelsOf({ loras: [lora('vintage', 1), lora('pixel-art', 1)] });
    const back = await pixelsOf({ loras: [lora('pixel-art', 1), lora('vintage', 1)] });
    expect(difference(forth, back)).toBeGreaterThan(0.2);
  });

  it('all at once and at twice the strength still give a picture', async () => {
    const loras = PROCEDURAL_CAPABILITIES.loras.map(({ name }) => lora(name, 2));
    expect(await pixelsOf({ loras, width: 64, height: 72 })).toHaveLength(64 * 72 * 3);
  });

  it('that do not exist are refused', async () => {
    await expect(pixelsOf({ loras: [lora('nonesuch', 1)] })).rejects.toBeInstanceOf(EngineError);
  });
});

describe('progress', () => {
  it.each([1, 3, 12, 50])(
    'names every one of %i steps once, rising to 1, then gives one picture',
    async (steps) => {
      const events = await eventsOf({ steps, width: 64, height: 64 });
      const progress = events.filter((event) => event.type === 'progress');
      expect(progress.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
      expect(progress.every(({ totalSteps, stage }) => totalSteps === steps && stage === 'sampling')).toBe(
        true,
      );
      const fractions = progress.map(({ fraction }) => fraction ?? -1);
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
      expect(fractions.at(-1)).toBe(1);
      expect(events.filter((event) => event.type === 'image')).toEqual([events.at(-1)]);
      expect(events.at(-1)).toMatchObject({
        seed: 7,
        warnings: [],
        image: { kind: 'pixels', width: 64, height: 64 },
      });
    },
  );

  it('brings small JPEG previews when asked', async () => {
    const previews = (await eventsOf({ steps: 20, width: 640, height: 320, includePreviews: true })).filter(
      (event) => event.type === 'preview',
    );
    expect(previews.length).toBeGreaterThan(3);
    expect(previews.length).toBeLessThanOrEqual(8);
    for (const preview of previews) {
      const { format, width, height } = await sharp(preview.data).metadata();
      expect({ format, width, height }).toEqual({ format: 'jpeg', width: 256, height: 128 });
      expect(preview.data.length).toBeLessThanOrEqual(32 * 1024);
    }
  });

  it('brings no previews unasked, and the same picture with them', async () => {
    const events = await eventsOf({ steps: 6 });
    expect(events.some((event) => event.type === 'preview')).toBe(false);
    const watched = await pixelsOf({ steps: 6, includePreviews: true });
    expect(Buffer.from(watched).equals(await pixelsOf({ steps: 6 }))).toBe(true);
  });
});

describe('cancelling', () => {
  it('ends with the reason of the signal, and nothing runs on', async () => {
    const controller = new AbortController();
    const reason = new Error('caller left');
    const job = jobFor({ width: 1024, height: 1024, steps: 40 });
    let steps = 0;
    const run = async (): Promise<void> => {
      for await (const event of engine.generate(job, controller.signal)) {
        if (event.type === 'progress') steps += 1;
        if (steps === 2) controller.abort(reason);
      }
    };
    await expect(run()).rejects.toBe(reason);
    expect(steps).toBe(2);
    expect(sharp.counters()).toEqual({ queue: 0, process: 0 });
  });

  it('during a step ends with the reason too', async () => {
    const controller = new AbortController();
    const reason = new Error('deadline');
    const pictures = engine.generate(jobFor({ width: 1024, height: 1024, steps: 1 }), controller.signal);
    const next = pictures.next();
    setImmediate(() => controller.abort(reason));
    await expect(next).rejects.toBe(reason);
    expect((await pictures.next()).done).toBe(true);
  });

  it('before the start does no work at all', async () => {
    const reason = new Error('never mind');
    await expect(engine.generate(jobFor(), AbortSignal.abort(reason)).next()).rejects.toBe(reason);
  });

  it('by leaving the loop early stops the work', async () => {
    for await (const event of engine.generate(
      jobFor({ width: 512, height: 512 }),
      new AbortController().signal,
    )) {
      if (event.type === 'progress') break;
    }
    expect(sharp.counters()).toEqual({ queue: 0, process: 0 });
  });
});

it('leaves the event loop free while it paints', async () => {
  let turns = 0;
  let painting = true;
  const count = (): void => {
    turns += 1;
    if (painting) setImmediate(count);
  };
  setImmediate(count);
  await pixelsOf({ width: 512, height: 512, steps: 12 });
  painting = false;
  // Were it one synchronous stretch, the loop would turn a few times a step; it turns thousands of times.
  expect(turns).toBeGreaterThan(100);
});
