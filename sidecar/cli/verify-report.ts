/** The answer of `verify`, for a person and for a program. */
import type { Finding } from './object-check.ts';
import { type CheckedObject, type CheckedPair, type Verdict, verdictOf, worst } from './verify-pair.ts';

export interface Verification {
  readonly bucket: string;
  readonly bucketFindings: readonly Finding[];
  readonly pairs: readonly CheckedPair[];
}

/** 0 all good, 1 something is bad, 2 something could not be checked. */
export const VERIFY_EXIT_CODES: Readonly<Record<Verdict, number>> = { good: 0, bad: 1, unchecked: 2 };

export const overallVerdict = ({ bucketFindings, pairs }: Verification): Verdict =>
  worst([verdictOf(bucketFindings), ...pairs.map(({ verdict }) => verdict)]);

const WORDS: Readonly<Record<Verdict, string>> = { good: 'ok', bad: 'BAD', unchecked: 'NOT CHECKED' };
/** For objects whose bytes were not read. */
const SHALLOW_WORDS = 'there, private';
const GOOD_WORDS: Readonly<Record<CheckedObject['role'], string>> = {
  image: 'its SHA-256 is its name, private',
  record: 'describes this image, private',
};

/** Lines for a person, each ending with a line feed. */
export function formatVerification(verification: Verification): string {
  const { bucket, bucketFindings, pairs } = verification;
  const bucketVerdict = verdictOf(bucketFindings);
  const bucketLines = [
    ...(bucketVerdict === 'good' ? [] : [`${WORDS[bucketVerdict]}  bucket ${bucket}`]),
    ...bucketFindings.map((finding) => formatFinding(finding, bucketVerdict === 'good' ? '' : '  ')),
  ];
  return [...bucketLines, ...pairs.flatMap((pair) => formatPair(pair, bucket))]
    .map((line) => `${line}\n`)
    .join('');
}

export const formatPair = ({ imageHash, verdict, objects }: CheckedPair, bucket: string): string[] => [
  `${WORDS[verdict]}  ${imageHash}`,
  ...objects.flatMap((object) => formatObject(object, bucket)),
];

function formatObject(object: CheckedObject, bucket: string): string[] {
  const { role, key, verdict, sizeBytes, downloaded, findings } = object;
  const size = sizeBytes === undefined ? '' : `  ${sizeBytes} bytes`;
  const word = verdict === 'good' ? (downloaded ? GOOD_WORDS[role] : SHALLOW_WORDS) : WORDS[verdict];
  return [
    `  ${role.padEnd(7)}s3://${bucket}/${key}${size}: ${word}`,
    ...findings.map((finding) => formatFinding(finding, '    ')),
  ];
}

const formatFinding = ({ severity, about, message }: Finding, indent: string): string =>
  `${indent}${severity === 'note' ? 'note' : about}: ${message}`;

/** The object that `--json` prints. */
export function verificationFacts(verification: Verification): object {
  const { bucket, bucketFindings, pairs } = verification;
  return {
    verdict: overallVerdict(verification),
    bucket: { name: bucket, verdict: verdictOf(bucketFindings), findings: bucketFindings },
    pairs: pairs.map(pairFacts),
  };
}

/** What `--json` says of one pair. */
export const pairFacts = ({ imageHash, verdict, objects }: CheckedPair): object => ({
  image_hash: imageHash,
  verdict,
  objects: objects.map(({ role, key, verdict: objectVerdict, sizeBytes, findings }) => ({
    role,
    key,
    verdict: objectVerdict,
    size_bytes: sizeBytes ?? null,
    findings,
  })),
});
