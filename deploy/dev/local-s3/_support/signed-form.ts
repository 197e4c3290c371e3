/** Forms for the tests of this folder, good by default and bad on demand. */
import { request } from 'undici';
import type { S3Credential } from '../settings.ts';
import { signText } from '../signature-v4.ts';

/** The credential of AWS's published examples. */
export const EXAMPLE_CREDENTIAL: S3Credential = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};

export interface FormPlan {
  readonly bucket: string;
  readonly region: string;
  readonly now: Date;
  /** Fields besides those of the signature; undefined leaves a default field out. */
  readonly fields?: Readonly<Record<string, string | undefined>>;
  /** More conditions, beside one for the bucket and one per field. */
  readonly conditions?: readonly unknown[];
  /** Fields that are sent but that no condition covers. */
  readonly uncovered?: Readonly<Record<string, string>>;
  /** The whole policy instead of the one made from the above: an object, or its text. */
  readonly policy?: unknown;
  readonly credential?: S3Credential;
  /** Changes after signing: undefined removes a field. */
  readonly tampered?: Readonly<Record<string, string | undefined>>;
}

export type FormFields = readonly (readonly [string, string])[];

export function signForm(plan: FormPlan): FormFields {
  const { accessKeyId, secretAccessKey, sessionToken } = plan.credential ?? EXAMPLE_CREDENTIAL;
  const amzDate = plan.now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = amzDate.slice(0, 8);
  const covered = defined({
    key: 'folder/object.bin',
    ...plan.fields,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${accessKeyId}/${day}/${plan.region}/s3/aws4_request`,
    'x-amz-date': amzDate,
  });
  const policy = plan.policy ?? {
    expiration: new Date(plan.now.getTime() + 600_000).toISOString(),
    conditions: [
      { bucket: plan.bucket },
      ...Object.entries(covered).map(([name, value]) => ({ [name]: value })),
      ...(plan.conditions ?? []),
    ],
  };
  const text = typeof policy === 'string' ? policy : JSON.stringify(policy);
  const base64 = Buffer.from(text).toString('base64');
  const signature = signText(base64, secretAccessKey, { day, region: plan.region });
  return Object.entries(
    defined({
      ...covered,
      ...plan.uncovered,
      policy: base64,
      'x-amz-signature': signature,
      ...plan.tampered,
    }),
  );
}

const defined = (fields: Readonly<Record<string, string | undefined>>) =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );

export const BOUNDARY = 'a-boundary-of-the-tests';

export interface FilePart {
  readonly content: string | Uint8Array;
  readonly filename?: string;
  /** Fields sent after the file. */
  readonly after?: FormFields;
}

/** The multipart body. */
export function encodeForm(fields: FormFields, file: FilePart | undefined): Buffer {
  const part = (name: string, value: string | Uint8Array, more = '') => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ];
  return Buffer.concat([
    ...fields.flatMap(([name, value]) => part(name, value)),
    ...(file === undefined
      ? []
      : part('file', file.content, file.filename === undefined ? '' : `; filename="${file.filename}"`)),
    ...(file?.after ?? []).flatMap(([name, value]) => part(name, value)),
    Buffer.from(`--${BOUNDARY}--\r\n`),
  ]);
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Of the XML body. */
  readonly tag: (name: string) => string | undefined;
}

/** Sends a form as one body of known length. */
export async function sendForm(url: string, fields: FormFields, file: FilePart | undefined): Promise<Reply> {
  const answer = await request(url, {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
    body: encodeForm(fields, file),
  });
  return reply(answer.statusCode, answer.headers, await answer.body.text());
}

export function reply(status: number, headers: Reply['headers'], text: string): Reply {
  const tag = (name: string) => {
    const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
    return found
      ?.replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&#13;', '\r')
      .replaceAll('&amp;', '&');
  };
  return { status, headers, text, tag };
}
