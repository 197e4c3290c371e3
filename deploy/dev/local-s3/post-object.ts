import { checkContent, claimedChecksums } from './content-check.ts';
import type { Answer, Exchange, Site } from './exchange.ts';
import { sufferFault } from './fault-effects.ts';
import { type FormField, formBoundary, openForm, type PostForm } from './multipart-form.ts';
import { describeObject, type ObjectDescription } from './object-description.ts';
import type { StagedObject } from './object-files.ts';
import { checkKey } from './object-key.ts';
import { authenticatePost, checkRequiredFields } from './post-authentication.ts';
import { checkPolicy, checkSize, maxSizeBytes, parsePolicy, type PostPolicy } from './post-policy.ts';
import { invalidArgument, S3Error } from './s3-error.ts';
import type { BucketSettings } from './settings.ts';
import { encodeUri } from './signature-v4.ts';
import { element, textElement, xmlDocument } from './xml.ts';

/**
 * POST Object: an upload by HTML form. Checks in the order derived from recordings of AWS: length, type,
 * required fields, anonymity, signature, policy, file.
 */
export async function postObject(exchange: Exchange, site: Site, bucket: BucketSettings): Promise<Answer> {
  const { request, body, trace, now } = exchange;
  checkTransport(exchange);
  const form = await openForm(body, formBoundary(request.headers['content-type']));
  const fields = expandFilename(form);
  trace.key = fields.get('key')?.value;
  await sufferFault(exchange, site);
  checkRequiredFields(fields, form.file !== undefined);
  trace.anonymous = !fields.has('x-amz-signature');
  const { region, credentials } = site;
  const policy = parsePolicy(authenticatePost(fields, { region, credentials, now }));
  checkPolicy(policy, { bucket: bucket.name, fields, now });
  const values = new Map([...fields].map(([name, field]) => [name, field.value]));
  const description = describeObject(values, 'acl', bucket);
  const key = values.get('key') ?? '';
  checkKey(key);
  const staged = await site.files.stage(claimedChecksums(description.claims));
  try {
    const etag = await receive(staged, form, policy, description);
    await staged.commit(bucket.name, key, { ...description.metadata, etag, lastModified: now.toISOString() });
    return success(values, {
      bucket: bucket.name,
      key,
      etag,
      url: `${exchange.target.bucketUrl}/${encodeUri(key)}`,
    });
  } finally {
    await staged.discard();
  }
}

function checkTransport({ request }: Exchange): void {
  if (request.headers.authorization !== undefined) {
    throw invalidArgument('POST Object takes its authentication from the form only.', 'Authorization', '');
  }
  if (request.headers['content-length'] === undefined) {
    throw new S3Error(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');
  }
}

/** `${filename}` in any field stands for the file's name; without a filename it stays as it is. */
function expandFilename(form: PostForm): ReadonlyMap<string, FormField> {
  const filename = form.file?.filename;
  if (filename === undefined) return form.fields;
  return new Map(
    [...form.fields].map(([name, field]) => [
      name,
      { name: field.name, value: field.value.replaceAll('${filename}', () => filename) },
    ]),
  );
}

/** Takes the file, never more of it to disk than the policy allows. @returns the ETag, without quotes */
async function receive(
  staged: StagedObject,
  form: PostForm,
  policy: PostPolicy,
  { claims }: ObjectDescription,
): Promise<string> {
  const maxBytes = maxSizeBytes(policy);
  let sizeBytes = 0;
  for await (const chunk of form.file?.content ?? []) {
    sizeBytes += chunk.length;
    if (sizeBytes <= maxBytes) await staged.write(chunk);
  }
  checkSize(policy, sizeBytes);
  const digests = staged.digests();
  checkContent(claims, digests);
  return digests.md5;
}

interface Stored {
  readonly bucket: string;
  readonly key: string;
  readonly etag: string;
  readonly url: string;
}

function success(values: ReadonlyMap<string, string>, { bucket, key, etag, url }: Stored): Answer {
  const headers = { etag: `"${etag}"`, location: url };
  const redirect = redirectUrl(values.get('success_action_redirect'));
  if (redirect !== undefined) {
    const added = new URLSearchParams({ bucket, key, etag: `"${etag}"` }).toString();
    return {
      status: 303,
      headers: { ...headers, location: `${redirect}${redirect.includes('?') ? '&' : '?'}${added}` },
    };
  }
  const asked = values.get('success_action_status');
  if (asked === '200') return { status: 200, headers, body: '' };
  if (asked !== '201') return { status: 204, headers };
  const document = element(
    'PostResponse',
    textElement('Location', url) +
      textElement('Bucket', bucket) +
      textElement('Key', key) +
      textElement('ETag', `"${etag}"`),
  );
  return {
    status: 201,
    headers: { ...headers, 'content-type': 'application/xml' },
    body: xmlDocument(document),
  };
}

/** AWS takes a redirect it cannot use as if there were none. */
function redirectUrl(text: string | undefined): string | undefined {
  return text !== undefined && /^https?:\/\//.test(text) && URL.canParse(text) ? text : undefined;
}
