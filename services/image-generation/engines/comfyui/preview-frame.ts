/** Binary messages of ComfyUI's WebSocket: protocol.py's BinaryEventTypes, server.py's send_image. */

const PREVIEW_IMAGE = 1;
const PREVIEW_IMAGE_WITH_METADATA = 4;
/** A preview travels in one message of the stream, whose limit is 4 MiB by default. */
const MAX_PREVIEW_BYTES = 1024 * 1024;

const SIGNATURES: readonly (readonly [string, string])[] = [
  ['ffd8ff', 'image/jpeg'],
  ['89504e47', 'image/png'],
];

export interface PreviewFrame {
  readonly mediaType: string;
  readonly data: Buffer;
}

/** The picture in a message; undefined for every other message, and for one that is broken or too large. */
export function previewFrame(message: Buffer): PreviewFrame | undefined {
  const data = pictureIn(message);
  if (data === undefined || data.length > MAX_PREVIEW_BYTES) return undefined;
  const start = data.toString('hex', 0, 4);
  // What the frame says of its format is held against what it is.
  const mediaType = SIGNATURES.find(([signature]) => start.startsWith(signature))?.[1];
  return mediaType === undefined ? undefined : { mediaType, data };
}

function pictureIn(message: Buffer): Buffer | undefined {
  if (message.length < 8) return undefined;
  const type = message.readUInt32BE(0);
  // u32 format (1 JPEG, 2 PNG), then the file.
  if (type === PREVIEW_IMAGE) return message.subarray(8);
  // u32 length of a JSON text, the text, then the file.
  if (type === PREVIEW_IMAGE_WITH_METADATA) return message.subarray(8 + message.readUInt32BE(4));
  return undefined;
}
