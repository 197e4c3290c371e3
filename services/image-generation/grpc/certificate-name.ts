import type { PeerCertificate } from 'node:tls';

const MAX_NAME_LENGTH = 128;

/**
 * The name in a client certificate: its first SAN URI (such as a SPIFFE id), else its first SAN DNS name, else
 * its common name. Undefined when it has none of them.
 */
export function certificateName(
  certificate: Pick<PeerCertificate, 'subject'> & { readonly subjectaltname?: string | undefined },
): string | undefined {
  const names = alternativeNames(certificate.subjectaltname ?? '');
  const [common] = [certificate.subject?.CN].flat();
  const name = names.find(({ type }) => type === 'URI') ?? names.find(({ type }) => type === 'DNS');
  const text = (name?.value || common)?.slice(0, MAX_NAME_LENGTH).replaceAll(/[^\x21-\x7e]/g, '?');
  return text === '' ? undefined : text;
}

/**
 * Reads Node's text of the names, such as `URI:spiffe://x/y, DNS:"a, DNS:b"`: a name that could be taken for
 * several stands in quotes, as JSON (https://nodejs.org/api/crypto.html#x509subjectaltname).
 */
function alternativeNames(text: string): { type: string; value: string }[] {
  const entries = text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g);
  return [...entries].map(([, type = '', value = '']) => ({
    type,
    value: value.startsWith('"') ? (JSON.parse(value) as string) : value,
  }));
}
