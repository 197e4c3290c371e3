/** Puts the events of one stream together and holds the server to the contract. Pure. */
import { createHash } from 'node:crypto';
import {
  type GenerateImageResponse,
  type GenerationAccepted,
  type GenerationProgress,
  type GenerationResult,
  type ImageHeader,
  type ImagePreview,
  type ImageChunk,
  ResponseFormat,
} from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { StreamProtocolError } from './errors.ts';

/** A finished, checked image. */
export interface GeneratedImage {
  /** The payload: the image file, or the JSON document; empty for response format S3. */
  readonly bytes: Uint8Array;
  /** Undefined only for response format S3, which has no payload. */
  readonly header: ImageHeader | undefined;
  readonly result: GenerationResult;
  readonly accepted: GenerationAccepted;
}

/** Told of events as they come, in the stream's order. What a listener throws ends the call. */
export interface StreamListeners {
  readonly onAccepted?: ((accepted: GenerationAccepted) => void) | undefined;
  readonly onProgress?: ((progress: GenerationProgress) => void) | undefined;
  readonly onPreview?: ((preview: ImagePreview) => void) | undefined;
}

export interface ImageAssembler {
  /** Whether the server has taken the job on. */
  readonly accepted: boolean;
  /** @throws {StreamProtocolError} when the event may not come now, or disagrees with earlier ones. */
  add(response: GenerateImageResponse): void;
  /** The image, once the stream ended OK. @throws {StreamProtocolError} when something is missing. */
  finish(): GeneratedImage;
}

/**
 * @param requestId Id of the call; the server must answer with the same.
 * @param maxPayloadBytes Largest payload the server may announce: it is allocated at once.
 */
export function createImageAssembler(
  requestId: string,
  listeners: StreamListeners,
  maxPayloadBytes: number,
): ImageAssembler {
  let accepted: GenerationAccepted | undefined;
  let payload: Payload | undefined;
  let result: GenerationResult | undefined;

  return {
    get accepted() {
      return accepted !== undefined;
    },
    add({ event }) {
      // An event kind of a newer server: nothing this client could hold it to.
      if (event === undefined) return;
      check(result === undefined, `${event.$case} after result`);
      if (event.$case === 'accepted') {
        check(accepted === undefined, 'accepted came twice');
        check(
          event.value.requestId === requestId,
          `accepted is of request ${event.value.requestId}, this call is ${requestId}`,
        );
        accepted = event.value;
        listeners.onAccepted?.(event.value);
        return;
      }
      check(accepted !== undefined, `${event.$case} before accepted`);
      switch (event.$case) {
        case 'progress':
          check(payload === undefined, 'progress after header');
          listeners.onProgress?.(event.value);
          break;
        case 'preview':
          check(payload === undefined, 'preview after header');
          listeners.onPreview?.(event.value);
          break;
        case 'header':
          check(payload === undefined, 'header came twice');
          payload = startPayload(event.value, maxPayloadBytes);
          break;
        case 'chunk':
          check(payload !== undefined, 'chunk before header');
          payload.add(event.value);
          break;
        case 'result':
          checkResult(event.value, accepted, payload);
          result = event.value;
          break;
      }
    },
    finish() {
      check(accepted !== undefined, 'the stream ended without any event');
      check(result !== undefined, 'the stream ended without a result');
      return { bytes: payload?.bytes ?? new Uint8Array(0), header: payload?.header, result, accepted };
    },
  };
}

interface Payload {
  readonly header: ImageHeader;
  readonly bytes: Uint8Array;
  add(chunk: ImageChunk): void;
  /** Hex SHA-256 of the complete payload. @throws {StreamProtocolError} when it is not what was announced. */
  verify(): string;
}

function startPayload(header: ImageHeader, maxPayloadBytes: number): Payload {
  check(header.sha256.length === 32, `header announces a SHA-256 of ${header.sha256.length} bytes`);
  check(header.sizeBytes > 0n, 'header announces an empty payload');
  check(
    header.sizeBytes <= BigInt(maxPayloadBytes),
    `header announces ${header.sizeBytes} bytes, this client takes at most ${maxPayloadBytes}`,
  );
  const bytes = Buffer.allocUnsafeSlow(Number(header.sizeBytes));
  const hash = createHash('sha256');
  let received = 0;
  return {
    header,
    bytes,
    add({ offset, data }) {
      check(offset === BigInt(received), `chunk at offset ${offset}, expected ${received}`);
      check(data.length > 0, `empty chunk at offset ${offset}`);
      check(
        received + data.length <= bytes.length,
        `more than the ${bytes.length} bytes the header announced`,
      );
      bytes.set(data, received);
      hash.update(data);
      received += data.length;
    },
    verify() {
      check(received === bytes.length, `${received} bytes came, the header announced ${bytes.length}`);
      const digest = hash.digest('hex');
      const announced = Buffer.from(header.sha256).toString('hex');
      check(digest === announced, `payload has SHA-256 ${digest}, the header announced ${announced}`);
      return digest;
    },
  };
}

function checkResult(
  result: GenerationResult,
  accepted: GenerationAccepted,
  payload: Payload | undefined,
): void {
  check(
    result.requestId === accepted.requestId,
    `result is of request ${result.requestId}, accepted was ${accepted.requestId}`,
  );
  if (payload === undefined) {
    const format = accepted.parameters?.responseFormat;
    check(format === ResponseFormat.RESPONSE_FORMAT_S3, 'result without a header and payload');
    return;
  }
  const digest = payload.verify();
  // The archived JPEG is the very file that a JPEG caller gets.
  if (payload.header.mediaType === 'image/jpeg') {
    check(
      result.imageHash === digest,
      `result.image_hash is ${result.imageHash}, the JPEG has SHA-256 ${digest}`,
    );
  }
}

function check(condition: boolean, fault: string): asserts condition {
  if (!condition) throw new StreamProtocolError(`server broke the stream's contract: ${fault}`);
}
