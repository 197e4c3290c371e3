import type { RequestRecord } from '../../deploy/dev/local-s3/request-log.ts';

/** Uploads as the bucket saw them. */
export interface UploadCount {
  readonly add: (record: RequestRecord) => void;
  /** All uploads that began, refused ones included. */
  readonly attempts: number;
  /** Objects that were stored once more. */
  readonly repeated: number;
  /** Of those, repeats that the bucket itself forced by storing an object and then saying nothing. */
  readonly unanswered: number;
}

export function createUploadCount(): UploadCount {
  const stored = new Map<string, number>();
  let attempts = 0;
  let unanswered = 0;
  return {
    add({ method, key, status, fault }) {
      if (method !== 'POST' || key === undefined) return;
      attempts += 1;
      const kept = fault === 'store-then-reset' || (status !== undefined && status < 300);
      if (!kept) return;
      if (fault === 'store-then-reset') unanswered += 1;
      stored.set(key, (stored.get(key) ?? 0) + 1);
    },
    get attempts() {
      return attempts;
    },
    get repeated() {
      return [...stored.values()].reduce((sum, count) => sum + count - 1, 0);
    },
    get unanswered() {
      return unanswered;
    },
  };
}
