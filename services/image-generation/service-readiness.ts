import type { Readiness } from '../runtime/admin-server.ts';
import type { EngineHealth } from './image-engine.ts';

/** Whether the service can make images now: it serves, and its engine is there. */
export interface ServiceReadiness {
  readonly now: () => Readiness;
  /** The service serves: `tell` hears whether it is ready, now and after every change. */
  readonly begin: (tell: (ready: boolean) => void) => void;
  /** It serves no longer. Idempotent. */
  readonly end: () => void;
}

export function createServiceReadiness(health: EngineHealth | undefined): ServiceReadiness {
  let stopListening: (() => void) | undefined;
  let serving = false;
  const now = (): Readiness => {
    if (!serving) return { ready: false };
    return health === undefined || health.available
      ? { ready: true }
      : { ready: false, reason: health.reason };
  };
  return {
    now,
    begin(tell) {
      serving = true;
      stopListening = health?.onChange(() => tell(now().ready));
      tell(now().ready);
    },
    end() {
      serving = false;
      stopListening?.();
    },
  };
}
