/** The engine, the encoder and the use case with an observer's eyes on them; otherwise they are what they were. */
import type { GenerateImage } from './generate-image.ts';
import type { GenerationEvent } from './generation-event.ts';
import type { GenerationObserver } from './generation-observer.ts';
import type { ImageEncoder } from './image-encoder.ts';
import type { EngineJob, ImageEngine } from './image-engine.ts';

export interface ObservedGeneration {
  engine(engine: ImageEngine): ImageEngine;
  encoder(encoder: ImageEncoder): ImageEncoder;
  generateImage(generateImage: GenerateImage): GenerateImage;
}

/** The three belong together: a job's way through the queue begins in the use case and ends at the engine. */
export function observedGeneration(observer: GenerationObserver): ObservedGeneration {
  const checkedAtMs = new WeakMap<EngineJob, number>();
  return {
    engine: (engine) => ({
      ...engine,
      async *generate(job, signal) {
        const startMs = performance.now();
        observer.spent('queue', startMs - (checkedAtMs.get(job) ?? startMs));
        for await (const event of engine.generate(job, signal)) {
          if (event.type === 'image') observer.spent('engine', performance.now() - startMs);
          yield event;
        }
      },
    }),
    encoder: (encoder) => ({
      async encode(image, format, quality) {
        const startMs = performance.now();
        const encoded = await encoder.encode(image, format, quality);
        observer.spent('encode', performance.now() - startMs);
        return encoded;
      },
    }),
    generateImage: (generateImage) => (request, call) => {
      checkedAtMs.set(request.job, performance.now());
      return observedEvents(generateImage(request, call), observer);
    },
  };
}

async function* observedEvents(
  events: AsyncGenerator<GenerationEvent, void, undefined>,
  observer: GenerationObserver,
): AsyncGenerator<GenerationEvent, void, undefined> {
  const startMs = performance.now();
  const first = new Set<GenerationEvent['type']>();
  let headerMs = 0;
  let takenMs = 0;
  for await (const event of events) {
    const nowMs = performance.now();
    const isFirst = !first.has(event.type);
    first.add(event.type);
    if (event.type === 'progress' && isFirst) observer.firstProgress(nowMs - startMs);
    if (event.type === 'header') headerMs = nowMs;
    if (event.type === 'chunk' && isFirst) observer.firstImageByte(nowMs - startMs);
    if (event.type === 'result') {
      observer.result(event.archive.state);
      if (first.has('chunk')) {
        observer.spent('deliver', takenMs - headerMs);
        observer.spent('archive_wait', nowMs - takenMs);
      }
    }
    yield event;
    takenMs = performance.now();
  }
}
