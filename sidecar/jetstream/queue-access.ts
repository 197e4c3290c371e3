import { ErrorCode, NatsError } from 'nats';
import { natsCure } from '../../services/runtime/nats-fault-log.ts';
import { QueueAccessError } from '../operator-queue.ts';
import { JS_STREAM_NOT_FOUND } from './errors.ts';

/** Runs `ask`; what NATS answers to it in vain becomes text for an operator. */
export async function askQueue<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw asQueueAccessError(error);
  }
}

const LOGIN_CURE = natsCure({ code: ErrorCode.AuthorizationViolation }) ?? '';

const CURES: Readonly<Record<string, readonly [message: string, cure: string]>> = {
  [ErrorCode.ConnectionRefused]: ['NATS cannot be reached', 'check NATS_URL and that nats-server runs'],
  [ErrorCode.AuthorizationViolation]: ['NATS refuses the login', LOGIN_CURE],
  [ErrorCode.AuthenticationExpired]: ['NATS refuses the login', LOGIN_CURE],
  [ErrorCode.PermissionsViolation]: [
    'NATS refuses the request',
    'allow this user $JS.API.> and sekai.archive.>',
  ],
  [ErrorCode.Timeout]: ['NATS does not answer in time', 'look at the state of nats-server, then try again'],
  [ErrorCode.NoResponders]: ['this NATS has no JetStream', 'check NATS_URL, and that JetStream is enabled'],
};

/** Errors of NATS with a cure; any other error as it is. */
export function asQueueAccessError(error: unknown): unknown {
  if (!(error instanceof NatsError)) return error;
  const options = { cause: error };
  if (error.api_error?.err_code === JS_STREAM_NOT_FOUND) {
    const cure = 'check NATS_URL; the first archiver that starts creates the streams';
    return new QueueAccessError('this NATS has no archive', cure, options);
  }
  if (error.api_error !== undefined) {
    const { err_code: code, description } = error.api_error;
    return new QueueAccessError(
      `JetStream answered ${code} ${description}`,
      'look it up and try again',
      options,
    );
  }
  const [message, cure] = CURES[error.code] ?? [
    `the connection to NATS failed (${error.code})`,
    'check NATS_URL and that nats-server runs',
  ];
  return new QueueAccessError(message, cure, options);
}
