/**
 * What a backlog costs the archiver: `node dist/test/chaos/backlog.js [--nats BINARY]` lets a fresh archiver take 4,000
 * events of 20 KB from a queue that is kept at 200, then another one from a queue of 20,000, and compares their
 * memory after the same work. (A process that has worked longer has a larger heap, backlog or not.) Exits 1 above
 * 10 % more.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { findNatsServer } from '../../deploy/dev/nats-server.ts';
import { startLocalS3 } from '../../deploy/dev/local-s3/local-s3.ts';
import { STREAM_EVENTS } from '../../proto/archive-event.ts';
import {
  messageCount,
  openArchiveBench,
  publishEvent,
  testEvent,
  testImage,
} from '../_support/archive-bench.ts';
import { residentMib } from './memory-watch.ts';
import { createVictim } from './victim.ts';

const EVENT_BYTES = 20_000;
const SMALL = 200;
const LARGE = 20_000;
/** Events each archiver takes. */
const TAKEN = 4_000;
const ALLOWED = 1.1;
const CREDENTIAL = { accessKeyId: 'backlog', secretAccessKey: 'backlog-secret' };

interface Cost {
  readonly seconds: number;
  /** While events were archived, MiB: the median of samples, and the highest. */
  readonly medianMib: number;
  readonly peakMib: number;
}

async function costOf(backlog: number, binary: string): Promise<Cost> {
  const directory = await mkdtemp(join(tmpdir(), 'sekai-backlog-'));
  const bench = await openArchiveBench(binary);
  const credentials = [CREDENTIAL];
  const s3 = await startLocalS3({
    directory,
    credentials,
    region: 'us-east-1',
    buckets: [{ name: 'backlog' }],
  });
  const archiver = createVictim({
    name: 'archiver',
    entry: 'sidecar/main.js',
    environment: {
      NATS_URL: bench.server.url,
      ADMIN_LISTEN: '127.0.0.1:0',
      S3_ENDPOINT: s3.endpoint,
      S3_BUCKET: 'backlog',
      AWS_ACCESS_KEY_ID: CREDENTIAL.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIAL.secretAccessKey,
      LOG_LEVEL: 'warn',
    },
    logFile: join(directory, 'archiver.log'),
  });
  try {
    let published = 0;
    const publish = async (count: number): Promise<void> => {
      for (; published < count; published += 1) {
        const image = testImage(EVENT_BYTES);
        await publishEvent(bench.connection, testEvent(image), image);
      }
    };
    await publish(backlog);
    const startedAt = Date.now();
    archiver.start();
    const samples: number[] = [];
    for (let taken = 0; taken < TAKEN; ) {
      taken = published - (await messageCount(bench.jsm, STREAM_EVENTS));
      samples.push(residentMib(archiver.pid ?? 0, 'VmRSS'));
      await publish(Math.max(published, Math.min(taken + backlog, TAKEN + backlog)));
      await delay(20);
    }
    const peakMib = residentMib(archiver.pid ?? 0, 'VmHWM');
    const sorted = samples.toSorted((a, b) => a - b);
    return {
      seconds: (Date.now() - startedAt) / 1_000,
      medianMib: sorted[sorted.length >> 1] ?? 0,
      peakMib,
    };
  } finally {
    await archiver.stop(30_000);
    await s3.stop();
    await bench.close();
    await rm(directory, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { nats: { type: 'string' } } });
const binary = values.nats ?? (await findNatsServer());
const small = await costOf(SMALL, binary);
const large = await costOf(LARGE, binary);
for (const [backlog, cost] of [[SMALL, small] as const, [LARGE, large] as const]) {
  process.stdout.write(
    `backlog of ${backlog}: ${TAKEN} events in ${cost.seconds.toFixed(1)} s, RSS median ${cost.medianMib} MiB, peak ${cost.peakMib} MiB\n`,
  );
}
process.exitCode = large.peakMib <= small.peakMib * ALLOWED ? 0 : 1;
