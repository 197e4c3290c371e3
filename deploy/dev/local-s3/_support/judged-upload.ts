import { createHash } from 'node:crypto';
import type { LocalS3 } from '../local-s3.ts';
import type { BucketOptions } from '../settings.ts';
import { BUCKET, NOW, REGION, type RunningS3 } from './running-s3.ts';
import { type FilePart, type FormPlan, type Reply, sendForm, signForm } from './signed-form.ts';

/** A form that every rule accepts. */
export const PLAN: FormPlan = { bucket: BUCKET, region: REGION, now: NOW };

export const CONTENT = 'some content';
export const CONTENT_MD5 = createHash('md5').update(CONTENT).digest();

export interface Judgement {
  readonly s3: LocalS3;
  readonly answer: Reply;
  /** Status and code of a refusal, for example `403 AccessDenied`. */
  readonly error: string | undefined;
  readonly message: string | undefined;
}

/** Uploads one form, good but for what `plan` says, to a new server whose clock stands at NOW. */
export async function judgedUpload(
  tests: RunningS3,
  plan: Partial<FormPlan>,
  file: FilePart = { content: CONTENT },
  bucket: Partial<BucketOptions> = {},
): Promise<Judgement> {
  const s3 = await tests.start({ clock: () => NOW, buckets: [{ name: BUCKET, ...bucket }] });
  const answer = await sendForm(`${s3.endpoint}/${BUCKET}`, signForm({ ...PLAN, ...plan }), file);
  const error = answer.status < 400 ? undefined : `${answer.status} ${answer.tag('Code')}`;
  return { s3, answer, error, message: answer.tag('Message') };
}
