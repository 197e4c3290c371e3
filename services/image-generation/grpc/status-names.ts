import { status } from '@grpc/grpc-js';

/** "INVALID_ARGUMENT"; unknown numbers, which a peer could make up, are UNKNOWN. */
export const statusName = (code: number): string => status[code] ?? 'UNKNOWN';

/** "InvalidArgument", as Go's and the ecosystem's metrics have it. */
export const statusTitle = (code: number): string => {
  const name = statusName(code);
  return name === 'OK'
    ? name
    : name.toLowerCase().replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
};

/** All there are. */
export const STATUS_CODES: readonly number[] = Object.values(status).filter(
  (code) => typeof code === 'number',
);
