/** Port: the archive, as the service sees it. */

import type { TraceCarrier } from '../runtime/tracing/tracing.ts';

/** How safe a pair is; the words of the contract's ArchiveState. */
export type HandOffState = 'spooled' | 'queued' | 'failed';

/** An image with its record, ready to be archived. */
export interface ArchivePair {
  /** Image hash. */
  readonly imageHash: string;
  /** The JPEG; must not be changed any more. */
  readonly image: Uint8Array;
  /** The serialised input record. */
  readonly record: Uint8Array;
  readonly requestId: string;
  /** The trace in which the image was made. */
  readonly trace: TraceCarrier;
}

/** One pair on its way. */
export interface HandOff {
  readonly id: string;
  /**
   * How safe the pair is, as soon as it will not get safer soon, or after `maxWaitMs`. The wait bounds only
   * this answer; the hand-off goes on. Never rejects.
   */
  state(maxWaitMs: number): Promise<HandOffState>;
}

export interface Archive {
  readonly bucket: string;
  /** Key prefix, empty or ending in "/". */
  readonly prefix: string;
  /** Takes a pair over. Returns at once and never throws: a failure is a state, a log line and a count. */
  handOff(pair: ArchivePair): HandOff;
}
