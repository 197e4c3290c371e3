/** One request, after its answer was decided. Holds no secret. */
export interface RequestRecord {
  /** When it arrived, by the server's clock. */
  readonly time: Date;
  readonly method: string;
  readonly bucket: string | undefined;
  /** Of the URL, or of the form. */
  readonly key: string | undefined;
  /** Names of the query parameters that make a subresource, for example `acl`. */
  readonly subresource: string | undefined;
  /** Undefined when the connection ended without an answer. */
  readonly status: number | undefined;
  readonly errorCode: string | undefined;
  /** Of the request's body. */
  readonly bytesReceived: number;
  readonly anonymous: boolean;
  /** The kind of fault that was injected. */
  readonly fault: string | undefined;
  readonly durationMs: number;
  /** What broke inside the server, behind an InternalError. */
  readonly failure: unknown;
}

export interface RequestLog {
  /** Oldest first; the newest `limit` only. */
  readonly records: readonly RequestRecord[];
  add(record: RequestRecord): void;
}

export function createRequestLog(limit: number, listener?: (record: RequestRecord) => void): RequestLog {
  const records: RequestRecord[] = [];
  return {
    records,
    add(record) {
      records.push(record);
      if (records.length > limit) records.splice(0, records.length - limit);
      listener?.(record);
    },
  };
}
