import { element, textElement, xmlDocument } from './xml.ts';

/** A refusal as S3 words it: status, code, message and the extra elements of the error document. */
export class S3Error extends Error {
  override readonly name = 'S3Error';
  readonly status: number;
  readonly code: string;
  /** More elements of the document, in order. */
  readonly details: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    details: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
    this.headers = headers;
  }
}

export const accessDenied = (message = 'Access Denied', details: Readonly<Record<string, string>> = {}) =>
  new S3Error(403, 'AccessDenied', message, details);

export const invalidArgument = (
  message: string,
  argumentName: string,
  argumentValue: string,
  details: Readonly<Record<string, string>> = {},
) =>
  new S3Error(400, 'InvalidArgument', message, {
    ...details,
    ArgumentName: argumentName,
    ArgumentValue: argumentValue,
  });

export const notImplemented = (what: string) =>
  new S3Error(501, 'NotImplemented', 'A header you provided implies functionality that is not implemented', {
    Header: what,
  });

export const unknownAccessKey = (accessKeyId: string) =>
  new S3Error(
    403,
    'InvalidAccessKeyId',
    'The AWS Access Key Id you provided does not exist in our records.',
    { AWSAccessKeyId: accessKeyId },
  );

export const signatureMismatch = (details: Readonly<Record<string, string>>) =>
  new S3Error(
    403,
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    details,
  );

/** The error document S3 sends as the body. */
export function errorDocument(error: S3Error, requestId: string): string {
  const fields = { Code: error.code, Message: error.message, ...error.details, RequestId: requestId };
  const elements = Object.entries(fields).map(([name, text]) => textElement(name, text));
  return xmlDocument(element('Error', elements.join('')));
}
