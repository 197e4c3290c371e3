/** What every store must do for us, said once and run against each of them. */
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { presignGetUrl } from '../../sidecar/s3/sigv4.ts';
import type { S3ObjectStore } from '../../sidecar/s3/s3-object-store.ts';
import { answerTo, FORM_RULES } from './form-rules.ts';
import { describeOperatorCommands } from './operator-commands.ts';
import type { S3Target } from './s3-target.ts';
import { randomObject, storeAt } from './store-at.ts';

const never = new AbortController().signal;
const START_TIMEOUT_MS = 90_000;

/**
 * The rules, for the store that `start` starts, once.
 * @param missing Why this store cannot be had here; then the rules are skipped, with one line that says so.
 */
export function describeS3Conformance(name: string, start: () => Promise<S3Target>, missing?: string): void {
  if (missing !== undefined) process.stderr.write(`SKIPPED ${name}: ${missing}\n`);
  describe(`on ${name}`, { skip: missing !== undefined }, () => {
    let started: S3Target | undefined;
    const target = (): S3Target => {
      if (started === undefined) throw new Error(`${name} is not running`);
      return started;
    };
    beforeAll(async () => {
      started = await start();
    }, START_TIMEOUT_MS);
    afterAll(() => started?.stop());
    describeForms(target);
    describeObjects(target);
    describeOperatorCommands(target);
  });
}

function describeForms(target: () => S3Target): void {
  describe('forms', () => {
    it.each(FORM_RULES)('answers $name', async (rule) => {
      const answer = await answerTo(rule, target());
      expect(answer).toBe(target().differences[rule.name]?.answer ?? rule.answer);
    });

    it('differs only where the rules say otherwise', () => {
      for (const [name, { answer }] of Object.entries(target().differences)) {
        const rule = FORM_RULES.find((known) => known.name === name);
        expect(rule, `there is no rule "${name}"`).toBeDefined();
        expect(answer, `"${name}" is no difference`).not.toBe(rule?.answer);
      }
    });
  });
}

function describeObjects(target: () => S3Target): void {
  describe('objects', () => {
    /** Runs `work` with our adapter. */
    const withStore = async (
      work: (store: S3ObjectStore) => Promise<void>,
      options?: Parameters<typeof storeAt>[1],
    ): Promise<void> => {
      const store = storeAt(target(), options);
      try {
        await work(store);
      } finally {
        await store.close(0);
      }
    };

    it('keeps bytes, type and metadata of an upload, also of a repeated one', () =>
      withStore(async (store) => {
        const object = randomObject();
        for (const _ of ['first', 'again']) await store.put(object, never);
        expect(await store.exists(object.key, never)).toBe('present');
        const found = await store.reader.get(object.key, {}, never);
        if (found.state !== 'present') throw new Error(found.state);
        for await (const _ of found.body);
        expect(found.sha256()).toBe(Buffer.from(object.sha256).toString('hex'));
        expect(found.head).toMatchObject({
          sizeBytes: object.body.length,
          contentType: 'image/jpeg',
          metadata: { 'request-id': 'conformance' },
        });
      }));

    it('shows an upload to nobody', () =>
      withStore(async (store) => {
        const object = randomObject();
        await store.put(object, never);
        const anonymous = await store.reader.get(object.key, { anonymous: true }, never);
        expect(anonymous.state).toBe('forbidden');
        expect(await store.reader.policyStatus(never)).not.toMatchObject({ isPublic: true });
      }));

    it('says that a missing object is missing where listing is allowed, and nothing where not', async () => {
      const { key } = randomObject();
      await withStore(async (store) => expect(await store.exists(key, never)).toBe('absent'));
      const { unlisted } = target();
      if (unlisted === undefined) return;
      await withStore(async (store) => {
        expect(await store.exists(key, never)).toBe('unknown');
        const object = randomObject();
        await store.put(object, never);
        expect(await store.exists(object.key, never)).toBe('present');
      }, unlisted);
    });

    it('gives an object to whoever has a link, until the link ends', () =>
      withStore(async (store) => {
        const object = randomObject();
        await store.put(object, never);
        const { url } = await store.reader.downloadLink(object.key, 60);
        const answer = await request(url);
        expect(answer.statusCode).toBe(200);
        expect(Buffer.from(await answer.body.arrayBuffer()).equals(object.body)).toBe(true);

        const { owner, region } = target();
        const plain = new URL(url.origin + url.pathname);
        const ended = presignGetUrl(plain, owner, region, new Date(Date.now() - 3600_000), 60);
        const changed = new URL(url.href.replace('X-Amz-Expires=60', 'X-Amz-Expires=61'));
        for (const refused of [ended.url, changed]) {
          const refusal = await request(refused);
          await refusal.body.dump();
          expect(refusal.statusCode).toBe(403);
        }
      }));

    it('dates requests by the clock of the store when ours is wrong', () =>
      withStore(
        async (store) => {
          const object = randomObject();
          await store.put(object, never);
          expect(await store.exists(object.key, never)).toBe('present');
        },
        { nowMs: () => Date.now() - 3600_000 },
      ));

    it('removes an object', () =>
      withStore(async (store) => {
        const object = randomObject();
        await store.put(object, never);
        expect(await store.remove(object.key, never)).toBe('removed');
        expect(await store.exists(object.key, never)).toBe('absent');
        expect(await store.remove(object.key, never)).toBe('removed');
      }));
  });
}
