import { MIN_MAX_PAYLOAD_BYTES, STREAM_DEAD, STREAM_EVENTS } from '../../../proto/archive-event.ts';
import type { QueueInspection } from '../../jetstream/inspect-queue.ts';
import { QueueAccessError } from '../../operator-queue.ts';
import { formatAge } from '../printable.ts';
import { type Check, fail, ok, skipped, warn } from './check.ts';

/** An event that waits longer, ms, waits for a reason. */
const OLD_EVENT_MS = 3600_000;
/** Share of a stream's bytes from which on it is called nearly full. */
const NEARLY_FULL = 0.7;

/** NATS, its streams against deploy/nats, and what waits in them. */
export async function checkNats(inspect: () => Promise<QueueInspection>, nowMs: number): Promise<Check[]> {
  try {
    const queue = await inspect();
    return [checkServer(queue), ...checkTopology(queue), checkBacklog(queue, nowMs), checkDeadLetters(queue)];
  } catch (error) {
    if (!(error instanceof QueueAccessError)) throw error;
    return [fail('nats', error.message, error.cure), skipped('streams', 'NATS was not to be had')];
  }
}

function checkServer({ serverVersion, outdated, maxPayloadBytes }: QueueInspection): Check {
  const server = `nats-server ${serverVersion}`;
  if (maxPayloadBytes < MIN_MAX_PAYLOAD_BYTES) {
    const message = `${server} takes messages of ${maxPayloadBytes} bytes, the archive needs ${MIN_MAX_PAYLOAD_BYTES}`;
    return fail('nats', message, 'set max_payload: 1MB (the default) in its configuration and reload it');
  }
  if (!outdated) return ok('nats', `${server} answers`);
  const message = `${server} can stall events after a crash; the archiver mends that after half a minute`;
  return warn('nats', message, 'upgrade nats-server to 2.10.25 or later');
}

function checkTopology({ streams, consumer }: QueueInspection): Check[] {
  const all = [...streams, consumer];
  const missing = all.filter((part) => part.missing).map(({ name }) => name);
  const different = all.filter(({ differences }) => differences.length > 0);
  return [
    ...(missing.length === 0
      ? []
      : [
          warn(
            'streams',
            `missing: ${missing.join(', ')}`,
            'start an archiver: it creates what is missing; images wait in the spools until then',
          ),
        ]),
    ...different.map(({ name, differences }) =>
      warn(
        'streams',
        `${name} is not as deploy/nats describes it: ${differences.join('; ')}`,
        'if nobody meant that: nats stream edit (or consumer edit) with the file under deploy/nats; NATS_REPLICAS says how many copies are expected',
      ),
    ),
    ...(missing.length + different.length > 0
      ? []
      : [ok('streams', `${streams.length} streams and the consumer are as deploy/nats describes them`)]),
  ];
}

function checkBacklog({ streams }: QueueInspection, nowMs: number): Check {
  const full = streams.find(
    ({ bytes, maxBytes }) => maxBytes !== undefined && bytes > NEARLY_FULL * maxBytes,
  );
  if (full !== undefined) {
    const message = `${full.name} is ${Math.round((100 * full.bytes) / (full.maxBytes ?? 1))} % full`;
    return warn(
      'backlog',
      message,
      `find out why nothing is taken from it (the checks of the bucket below), or make room: nats stream edit ${full.name} --max-bytes=…`,
    );
  }
  const events = streams.find(({ name }) => name === STREAM_EVENTS);
  if (events?.oldestAt === undefined) return ok('backlog', 'no event waits');
  const ageMs = nowMs - events.oldestAt.getTime();
  const message = `${events.messages} events wait, the oldest for ${formatAge(ageMs)}`;
  if (ageMs <= OLD_EVENT_MS) return ok('backlog', message);
  return warn('backlog', message, 'look whether archivers run, and at their log for "Internal S3: Failed"');
}

function checkDeadLetters({ streams }: QueueInspection): Check {
  const messages = streams.find(({ name }) => name === STREAM_DEAD)?.messages ?? 0;
  if (messages === 0) return ok('dead letters', 'none');
  // Chunks are kept beside the letters they belong to.
  const message = `${messages} messages of dead letters are kept`;
  return warn('dead letters', message, 'sekai-archive dead-letters list shows them and why');
}
