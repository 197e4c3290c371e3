/** What a caller is told, in the order of the contract: accepted, (progress | preview)*, header, chunk*, result; without header and chunks for response format S3. */
import type { HandOffState } from './archive.ts';
import type { ImageRequest } from './image-request.ts';
import type { GenerationWarning } from './image-engine.ts';
import type { DownloadLink } from './stored-pairs.ts';

export type GenerationStage = 'queued' | 'loading' | 'sampling' | 'encoding' | 'archiving';

/** Also the keep-alive of a quiet stream. */
export interface ProgressEvent {
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

export interface PreviewEvent {
  readonly type: 'preview';
  readonly mediaType: string;
  readonly data: Uint8Array;
  readonly step?: number;
}

/** What a job reports on its way. */
export type JobUpdate = ProgressEvent | PreviewEvent;

export type GenerationEvent =
  | {
      readonly type: 'accepted';
      readonly request: ImageRequest;
      readonly engine: string;
      readonly acceptTime: Date;
    }
  | JobUpdate
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
  /** Only for response format S3. */
  readonly download?: DownloadLink;
}
