/** What sekai-generate tells about a finished image: the same facts for a person and for a program. */
import type { Duration } from '../../proto/gen/google/protobuf/duration.ts';
import { ArchiveState } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import type { GeneratedImage } from './image-generation-client.ts';

/** The object that `--json` prints; names as in the proto file. */
export interface GenerationSummary {
  /** Null when no file was written: response format S3 without --output. */
  readonly file: string | null;
  readonly size_bytes: number;
  readonly media_type: string;
  readonly width: number;
  readonly height: number;
  readonly request_id: string;
  readonly engine: string;
  readonly model: string;
  readonly seed: number;
  readonly image_hash: string;
  readonly archive: {
    readonly state: string;
    readonly bucket: string;
    readonly key: string;
    readonly record_key: string;
    /** Both only with response format S3. */
    readonly download_url?: string;
    readonly download_url_expire_time?: string;
  };
  readonly timings_ms: { readonly queue: number; readonly generation: number; readonly total: number };
  readonly warnings: readonly { readonly reason: string; readonly field: string; readonly message: string }[];
}

export interface SavedFile {
  readonly path: string;
  readonly sizeBytes: number;
}

const STATE_WORDS: Readonly<Record<ArchiveState, string>> = {
  [ArchiveState.ARCHIVE_STATE_UNSPECIFIED]: 'unspecified',
  [ArchiveState.ARCHIVE_STATE_DISABLED]: 'disabled',
  [ArchiveState.ARCHIVE_STATE_SPOOLED]: 'spooled',
  [ArchiveState.ARCHIVE_STATE_QUEUED]: 'queued',
  [ArchiveState.ARCHIVE_STATE_STORED]: 'stored',
  [ArchiveState.ARCHIVE_STATE_FAILED]: 'failed',
  [ArchiveState.UNRECOGNIZED]: 'unrecognized',
};

const STATE_MEANINGS: Readonly<Record<string, string>> = {
  disabled: 'archiving is off',
  spooled: 'on the disk of the service, until the broker can be reached',
  queued: 'in the broker, the objects will appear',
  stored: 'the bucket has both objects',
  failed: 'no promise: the pair may never be archived',
};

/** @param totalMs The whole call as the caller saw it. */
export function summarise(
  { header, result, accepted }: GeneratedImage,
  file: SavedFile | undefined,
  totalMs: number,
): GenerationSummary {
  const { archive } = result;
  return {
    file: file?.path ?? null,
    size_bytes: file?.sizeBytes ?? 0,
    // What response format S3 refers to is always the archived JPEG.
    media_type: header?.mediaType ?? 'image/jpeg',
    width: header?.width ?? accepted.parameters?.width ?? 0,
    height: header?.height ?? accepted.parameters?.height ?? 0,
    request_id: result.requestId,
    engine: accepted.engine,
    model: accepted.parameters?.model ?? '',
    seed: result.seed,
    image_hash: result.imageHash,
    archive: {
      state: STATE_WORDS[archive?.state ?? 0] ?? 'unrecognized',
      bucket: archive?.bucket ?? '',
      key: archive?.key ?? '',
      record_key: archive?.recordKey ?? '',
      ...(archive?.downloadUrl ? { download_url: archive.downloadUrl } : {}),
      ...(archive?.downloadUrlExpireTime
        ? { download_url_expire_time: archive.downloadUrlExpireTime.toISOString() }
        : {}),
    },
    timings_ms: {
      queue: milliseconds(result.queueDuration),
      generation: milliseconds(result.generationDuration),
      total: Math.round(totalMs),
    },
    warnings: result.warnings.map(({ reason, field, message }) => ({ reason, field, message })),
  };
}

/** Lines for a person, each ending with a line feed. */
export function formatSummary(summary: GenerationSummary): string {
  const { archive, timings_ms: timings } = summary;
  const state = [archive.state, STATE_MEANINGS[archive.state]].filter(Boolean).join(': ');
  const kilobytes = `, ${(summary.size_bytes / 1000).toFixed(1)} kB`;
  const lines: (readonly [string, string])[] = [
    ...(summary.file === null ? [] : [['file', summary.file] as const]),
    [
      'image',
      `${summary.width} x ${summary.height}, ${summary.media_type}${summary.file === null ? '' : kilobytes}`,
    ],
    ['seed', String(summary.seed)],
    ['request', summary.request_id],
    ['hash', summary.image_hash === '' ? 'none (archiving is off)' : summary.image_hash],
    ['archive', state],
    ...(archive.key === '' ? [] : [['', `s3://${archive.bucket}/${archive.key}`] as const]),
    ...(archive.record_key === '' ? [] : [['', `s3://${archive.bucket}/${archive.record_key}`] as const]),
    ...(archive.download_url === undefined
      ? []
      : [
          ['link', archive.download_url] as const,
          ['', `works until ${archive.download_url_expire_time ?? 'an unknown time'}`] as const,
        ]),
    ['time', `queue ${timings.queue} ms, generation ${timings.generation} ms, in all ${timings.total} ms`],
    ...summary.warnings.map(
      ({ reason, field, message }) => ['warning', `${field}: ${message} (${reason})`] as const,
    ),
  ];
  return lines.map(([name, value]) => `${name.padEnd(9)}${value}\n`).join('');
}

const milliseconds = (duration: Duration | undefined): number =>
  duration === undefined ? 0 : Math.round(Number(duration.seconds) * 1000 + duration.nanos / 1e6);
