import type { Msg, NatsConnection } from 'nats';
import {
  DownloadLinkRequest,
  DownloadLinkResponse,
  LINK_QUEUE_GROUP,
  LINK_SUBJECT,
} from '../../proto/archive-event.ts';
import type { Logger } from '../../services/runtime/logger.ts';
import { type GiveDownloadLink, ImageNotFoundError } from '../download-link.ts';

export interface LinkResponder {
  /** Takes no more requests and gives up what is under way. Idempotent. */
  stop(): Promise<void>;
}

export interface LinkResponderParts {
  readonly connection: NatsConnection;
  readonly give: GiveDownloadLink;
  readonly log: Logger;
  /** Hears how each request ended. */
  readonly answered: (result: LinkResult) => void;
}

export type LinkResult = 'LINK' | 'NOT_FOUND' | 'BUSY' | 'UNAVAILABLE';

/** Requests answered at once; more are told to come back, and then meet another archiver. */
const MAX_RUNNING = 16;
/** Longest time for one answer, ms: less than a caller waits. */
const ANSWER_TIMEOUT_MS = 4_000;

/** Answers requests for download links, as one of many archivers. */
export function startLinkResponder({ connection, give, log, answered }: LinkResponderParts): LinkResponder {
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const subscription = connection.subscribe(LINK_SUBJECT, {
    queue: LINK_QUEUE_GROUP,
    callback: (error, message) => {
      if (error === null && message.reply !== undefined) track(respond(message));
    },
  });

  function track(answer: Promise<void>): void {
    const done = answer
      // Of a connection that is closing; the caller asks again.
      .catch((err: unknown) => log.debug({ err }, 'Archive: an answer to a link request was lost'))
      .finally(() => running.delete(done));
    running.add(done);
  }

  async function respond(message: Msg): Promise<void> {
    const { result, response } = running.size >= MAX_RUNNING ? refusal('BUSY') : await answerTo(message);
    if (stopping.signal.aborted) return;
    message.respond(DownloadLinkResponse.encode(response).finish());
    answered(result);
  }

  async function answerTo({ data }: Msg): Promise<Answer> {
    const timeout = new AbortController();
    const abort = (): void => timeout.abort(new Error('no answer in time'));
    const timer = setTimeout(abort, ANSWER_TIMEOUT_MS);
    stopping.signal.addEventListener('abort', abort);
    let imageHash = '';
    try {
      const request = DownloadLinkRequest.decode(data);
      imageHash = request.imageHash;
      const { url, expiresAt } = await give(imageHash, request.expiresInSeconds, timeout.signal);
      const link = { url: url.href, expireTime: expiresAt };
      return { result: 'LINK', response: { outcome: { $case: 'link', value: link } } };
    } catch (err) {
      if (err instanceof ImageNotFoundError) return refusal('NOT_FOUND');
      if (!stopping.signal.aborted)
        log.warn({ err, hash: imageHash }, 'Archive: no download link could be given');
      return refusal('UNAVAILABLE');
    } finally {
      clearTimeout(timer);
      stopping.signal.removeEventListener('abort', abort);
    }
  }

  return {
    async stop() {
      stopping.abort();
      subscription.unsubscribe();
      await Promise.all(running);
    },
  };
}

interface Answer {
  readonly result: LinkResult;
  readonly response: DownloadLinkResponse;
}

const REFUSALS: Readonly<Record<Exclude<LinkResult, 'LINK'>, string>> = {
  NOT_FOUND: 'the image is not known to be archived',
  BUSY: 'this archiver answers enough requests already',
  UNAVAILABLE: 'the link cannot be given now',
};

const refusal = (reason: Exclude<LinkResult, 'LINK'>): Answer => ({
  result: reason,
  response: { outcome: { $case: 'error', value: { reason, message: REFUSALS[reason] } } },
});
