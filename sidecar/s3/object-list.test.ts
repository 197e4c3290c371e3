import { afterEach, describe, expect, it } from 'vitest';
import { readPage } from './object-list.ts';
import { answer, refusal } from './testing/scripted-store.ts';
import { closeOpened, faultOf, never, storeOver } from './testing/store-over.ts';

afterEach(closeOpened);

/** A page as Ceph writes it: every ETag between two character references. */
const page = (keys: readonly string[], more = ''): string =>
  `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${more}${keys
    .map(
      (key) =>
        `<Contents><Key>${key}</Key><LastModified>2026-11-22T11:32:07.735Z</LastModified>` +
        '<ETag>&quot;7e47820975c51a762e63caa95cc76e45&quot;</ETag><Size>23</Size></Contents>',
    )
    .join('')}</ListBucketResult>`;

describe('a page of a list', () => {
  it('holds a thousand keys, with all their character references', () => {
    const keys = Array.from({ length: 1000 }, (_, index) => `folder/${index}`);
    const read = readPage({ status: 200, text: page(keys) });
    expect(read?.objects.map(({ key }) => key)).toEqual(keys);
    expect(read?.objects[999]).toEqual({
      key: 'folder/999',
      sizeBytes: 23,
      lastModified: new Date('2026-11-22T11:32:07.735Z'),
    });
    expect(read?.nextToken).toBeUndefined();
  });

  it('has its keys decoded only where the store has encoded them', () => {
    const encoded = '<EncodingType>url</EncodingType>';
    expect(readPage({ status: 200, text: page(['a%2Fb+c'], encoded) })?.objects[0]?.key).toBe('a/b c');
    expect(readPage({ status: 200, text: page(['a%2Fb+c']) })?.objects[0]?.key).toBe('a%2Fb+c');
  });

  it('is none when the answer is something else', () => {
    expect(readPage({ status: 200, text: '<html></html>' })).toBeUndefined();
    expect(readPage({ status: 403, text: page(['a']) })).toBeUndefined();
  });
});

describe('a list', () => {
  it('is read to its last page', async () => {
    const more = '<IsTruncated>true</IsTruncated><NextContinuationToken>t/1=</NextContinuationToken>';
    const { server, store } = await storeOver([
      answer(200, page(['a', 'b'], more)),
      answer(200, page(['c'])),
    ]);
    const keys: string[] = [];
    for await (const { key } of store.reader.list({ prefix: 'customers/' }, never)) keys.push(key);
    expect(keys).toEqual(['a', 'b', 'c']);
    expect(server.received[1]?.url).toContain('continuation-token=t%2F1%3D');
  });

  it('names the permission that is missing', async () => {
    const { store } = await storeOver([refusal(403, 'AccessDenied')]);
    const read = async (): Promise<void> => {
      for await (const _ of store.reader.list({ prefix: 'customers/' }, never));
    };
    const fault = await faultOf(read());
    expect(fault.kind).toBe('permission');
    expect(fault.cure).toContain('s3:ListBucket');
  });
});
