/** deploy/monitoring/README.md names every metric of the two processes, with its type, and no other. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { createMetrics } from '../../services/image-generation/metrics.ts';
import { createCallNotebook } from '../../services/image-generation/grpc/call-notes.ts';
import { createArchiverMetrics } from '../../sidecar/archiver-metrics.ts';
import type { OpenArchive } from '../../services/image-generation/handoff/open-archive.ts';

const documented = (text: string, heading: string): string[] => {
  const section = text.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
};

const exposed = (text: string): string[] =>
  [...text.matchAll(/^# TYPE ((?:sekai|grpc)_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);

const NO_ARCHIVE: OpenArchive = {
  archive: undefined as never,
  storedPairs: undefined as never,
  spoolBytes: () => 0,
  spoolMaxBytes: 0,
  spoolFiles: () => 0,
  oldestHandOffMs: () => undefined,
  waiting: () => 0,
  failures: () => 0,
  failedAttempts: () => 0,
  circuitOpen: false,
  connected: false,
  close: async () => {},
};

test('of the image service', async () => {
  const readme = await readFile('deploy/monitoring/README.md', 'utf8');
  const metrics = createMetrics(createCallNotebook());
  metrics.read({
    engineHealth: undefined,
    admission: { running: 0, queued: 0 },
    deliveries: { bytesInUse: 0 },
    deliveryMaxBytes: 0,
    handoff: NO_ARCHIVE,
  });
  const names = exposed(await metrics.registry.metrics());
  expect(names.length).toBeGreaterThan(20);
  expect(documented(readme, 'Image service').toSorted()).toEqual(names.toSorted());
});

test('of the archiver', async () => {
  const readme = await readFile('deploy/monitoring/README.md', 'utf8');
  const names = exposed(await createArchiverMetrics().registry.metrics());
  expect(names.length).toBeGreaterThan(20);
  expect(documented(readme, 'Archiver').toSorted()).toEqual(names.toSorted());
});
