/** What deploy/Dockerfile sets for every process, for tests and benches that measure what is deployed. */
export const IMAGE_ENVIRONMENT = {
  NODE_ENV: 'production',
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '1048576',
  MALLOC_TRIM_THRESHOLD_: '8388608',
  UV_THREADPOOL_SIZE: '4',
} as const;
