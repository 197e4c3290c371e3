import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { TargetFault } from '../../object-store.ts';
import { type CliIo, EXIT_CODE_UNKNOWN } from '../cli-io.ts';
import { describeFault } from '../fault-text.ts';
import { type OpenArchive, openArchive } from '../open-archive.ts';
import { canDrawText, drawSheet } from './draw-sheet.ts';
import { newestImages } from './newest-images.ts';
import { readEntry, type SheetEntry } from './read-entry.ts';
import type { Since } from './since.ts';

/** What the user asks for. */
export interface SheetFlags {
  readonly since: Since;
  /** Images on the sheet. */
  readonly limit: number;
  /** Path of the file. */
  readonly out: string;
}

/** Pairs read beside each other: each may have 64 MiB, and its pixels. */
const CONCURRENCY = 2;
const FOOTER = 'Prompts and images are personal data: do not pass this sheet on, and delete it after use.';

/** Returns the exit code. */
export async function makeSheet({ since, limit, out }: SheetFlags, io: CliIo): Promise<number> {
  const archive = openArchive(io);
  const { bucket, prefix } = archive.config;
  try {
    const start = `${prefix}output-`;
    const objects = archive.store.reader.list({ prefix: start }, io.signal);
    const { images, total } = await newestImages(objects, start, new Date(io.nowMs() - since.ms), limit);
    if (images.length === 0) {
      io.stderr.write(`no image under s3://${bucket}/${prefix} since ${since.text}\n`);
      return 1;
    }
    const entries = await readEntries(archive, images, io.signal);
    if (!(await canDrawText())) io.stderr.write(NO_FONTS);
    const shown = total > images.length ? `the latest ${images.length} of ${total}` : `all ${total}`;
    const sheet = await drawSheet(entries, {
      title: `Archived images, last ${since.text}`,
      subtitle: `s3://${bucket}/${prefix} · ${shown} · made ${new Date(io.nowMs()).toISOString().slice(0, 16)}Z`,
      footer: FOOTER,
    });
    await writePrivately(out, sheet);
    io.stdout.write(`${out}: ${shown} images; prompts are personal data\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof TargetFault)) throw error;
    io.stderr.write(`${describeFault(error)}\n`);
    return EXIT_CODE_UNKNOWN;
  } finally {
    await archive.store.close();
  }
}

const NO_FONTS =
  'warning: no font on this machine, so there is no text on the sheet: apt-get install fonts-dejavu-core\n';

/** In the order of `images`. */
async function readEntries(
  { config, store }: OpenArchive,
  images: Awaited<ReturnType<typeof newestImages>>['images'],
  signal: AbortSignal,
): Promise<SheetEntry[]> {
  const entries: SheetEntry[] = [];
  const waiting = images.entries();
  const work = async (): Promise<void> => {
    for (const [at, image] of waiting)
      entries[at] = await readEntry(store.reader, config.prefix, image, signal);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return entries;
}

/** Under a name of its own first: a file that is there already may be readable by others, or be half replaced. */
async function writePrivately(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    await writeFile(temporary, bytes, { mode: 0o600, flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
