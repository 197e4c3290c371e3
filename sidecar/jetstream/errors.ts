import { NatsError } from 'nats';

export const JS_CONSUMER_NOT_FOUND = 10014;
export const JS_STREAM_NOT_FOUND = 10059;
export const JS_NO_MESSAGE_FOUND = 10037;
export const JS_WRONG_LAST_SEQUENCE = 10071;

/** Whether JetStream answered with this `err_code`. The code alone is ambiguous: 503 is many things. */
export const isApiError = (error: unknown, errCode: number): boolean =>
  error instanceof NatsError && error.api_error?.err_code === errCode;
