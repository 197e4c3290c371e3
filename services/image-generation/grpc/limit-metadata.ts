import type { Metadata } from '@grpc/grpc-js';
import { MetadataTooLargeError } from '../errors.ts';
import type { CallCheck } from './call-gate.ts';

/** As grpc-core's hard limit. Node itself stops at 128 headers and somewhere between 70 and 100 KB (measured). */
export const MAX_METADATA_BYTES = 16 * 1024;
/** What HTTP/2 counts for a header beside its name and value, bytes (RFC 9113, 6.5.2). */
const HEADER_OVERHEAD_BYTES = 32;

/** Refuses calls with more metadata than anybody needs, before it is looked at. */
export const limitMetadata: CallCheck = ({ metadata }) =>
  sizeOf(metadata) <= MAX_METADATA_BYTES ? undefined : new MetadataTooLargeError(MAX_METADATA_BYTES);

function sizeOf(metadata: Metadata): number {
  let bytes = 0;
  for (const [name, values] of Object.entries(metadata.toHttp2Headers())) {
    for (const value of [values].flat()) {
      bytes += name.length + String(value ?? '').length + HEADER_OVERHEAD_BYTES;
    }
  }
  return bytes;
}
