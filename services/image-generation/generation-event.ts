/** What a caller is told, in the order of the contract: accepted, (progress | preview)*, header, chunk*, result. */
import type { HandOffState } from './archive.ts';
import type { ImageRequest } from './image-request.ts';
import type { GenerationWarning } from './image-engine.ts';

export type GenerationStage = 'queued' | 'loading' | 'sampling' | 'encoding' | 'archiving';

export type GenerationEvent =
  | {
      readonly type: 'accepted';
      readonly request: ImageRequest;
      readonly engine: string;
      readonly acceptTime: Date;
    }
  | {
      readonly type: 'progress';
      readonly stage: GenerationStage;
      readonly step?: number;
      readonly totalSteps?: number;
      /** 0 to 1, never falling. */
      readonly fraction?: number;
      readonly queuePosition?: number;
      /** Since `accepted`. */
      readonly elapsedMs: number;
    }
  | {
      readonly type: 'preview';
      readonly mediaType: string;
      readonly data: Uint8Array;
      readonly step?: number;
    }
  | {
      readonly type: 'header';
      readonly mediaType: string;
      readonly sizeBytes: number;
      /** 32 bytes. */
      readonly sha256: Uint8Array;
      readonly width: number;
      readonly height: number;
    }
  | { readonly type: 'chunk'; readonly offset: number; readonly data: Uint8Array }
  | {
      readonly type: 'result';
      readonly requestId: string;
      /** Empty when archiving is off and JPEG was not asked for. */
      readonly imageHash: string;
      readonly seed: number;
      readonly archive: ArchiveOutcome;
      readonly warnings: readonly GenerationWarning[];
      readonly queueMs: number;
      readonly generationMs: number;
    };

export interface ArchiveOutcome {
  readonly state: HandOffState | 'disabled' | 'stored';
  /** Empty when archiving is off. */
  readonly bucket: string;
  /** Empty when archiving is off or the hash is not known. */
  readonly key: string;
  readonly recordKey: string;
}
