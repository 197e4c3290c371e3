import type { ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { createLineBudget } from '../../runtime/line-budget.ts';
import type { Logger } from '../../runtime/logger.ts';
import { UnauthenticatedError } from '../errors.ts';
import type { BearerTokens } from './bearer-tokens.ts';
import type { ArrivingCall, CallCheck } from './call-gate.ts';
import type { CallNotebook } from './call-notes.ts';
import { setCaller } from './caller.ts';
import { certificateName } from './certificate-name.ts';

export interface AuthenticationOptions {
  /** The tokens of now; undefined when none are asked for. */
  readonly tokens: () => BearerTokens | undefined;
  /** Whether callers must have a client certificate; the handshake has checked it. */
  readonly certificateRequired: boolean;
  readonly logger: Logger;
  /** Hears who calls, and why a call is refused. */
  readonly notebook: Pick<CallNotebook, 'note'>;
}

/** Open without a token: probes have none. */
const HEALTH = '/grpc.health.v1.Health/';

/**
 * Lets only callers through that show what is configured, whatever method they call, and names them for
 * `callerOf`. No handler and no later check sees the `authorization` header.
 */
export function createAuthentication(options: AuthenticationOptions): CallCheck {
  const { logger, notebook } = options;
  const lines = createLineBudget();
  return (arriving) => {
    const { path: method, metadata, call } = arriving;
    const caller = authenticate(arriving, options);
    if (caller instanceof UnauthenticatedError) {
      const { reason } = caller;
      notebook.note({ metadata }, { reason });
      lines.spend((leftOut) => {
        const facts = { method, reason, peer: call.getPeer(), certificate: nameOfCertificate(call) };
        logger.warn({ ...facts, leftOut }, 'call refused: not authenticated');
      });
      return caller;
    }
    if (caller !== undefined) {
      notebook.note({ metadata }, { caller });
      setCaller(metadata, caller);
    }
    return undefined;
  };
}

/** The caller's name, undefined when nothing names it, or why it is refused. */
function authenticate(
  { path, metadata, call }: ArrivingCall,
  { tokens, certificateRequired }: AuthenticationOptions,
): string | undefined | UnauthenticatedError {
  const shown = metadata.get('authorization');
  metadata.remove('authorization');
  const certificate = certificateRequired ? nameOfCertificate(call) : undefined;
  if (certificateRequired && certificate === undefined) {
    return new UnauthenticatedError('CERTIFICATE_REQUIRED', 'a client certificate with a name is required');
  }
  const known = tokens();
  if (known === undefined || path.startsWith(HEALTH)) return certificate;
  const [header] = shown;
  if (header === undefined) {
    return new UnauthenticatedError('TOKEN_REQUIRED', 'a bearer token is required in "authorization"');
  }
  const token = /^bearer +(\S+)$/i.exec(String(header))?.[1];
  const name = shown.length === 1 && token !== undefined ? known.nameOf(token) : undefined;
  return name ?? new UnauthenticatedError('TOKEN_INVALID', 'the bearer token is not known');
}

function nameOfCertificate(call: ServerInterceptingCallInterface): string | undefined {
  const { sslPeerCertificate } = call.getAuthContext();
  return sslPeerCertificate === undefined ? undefined : certificateName(sslPeerCertificate);
}
