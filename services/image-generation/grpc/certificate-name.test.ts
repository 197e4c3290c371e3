import { expect, test } from 'vitest';
import { certificateName } from './certificate-name.ts';

const subject = (CN: string) => ({ C: '', ST: '', L: '', O: '', OU: '', CN });

test.each([
  ['a URI first', 'DNS:web, URI:spiffe://sekai/web, DNS:other', 'spiffe://sekai/web'],
  ['then a DNS name', 'IP Address:10.0.0.1, DNS:web, DNS:other', 'web'],
  ['then the common name', 'IP Address:10.0.0.1, email:a@b.c', 'common'],
  ['a quoted name as a whole', 'DNS:"web, URI:spiffe://forged", DNS:other', 'web,?URI:spiffe://forged'],
  ['an escaped name as a whole', String.raw`DNS:"a\u0022, URI:x", DNS:other`, 'a",?URI:x'],
  ['no name that is empty', 'DNS:', 'common'],
])('the name is %s', (_, subjectaltname, name) => {
  expect(certificateName({ subject: subject('common'), subjectaltname })).toBe(name);
});

test('control characters never reach a log, nor do endless names', () => {
  const name = certificateName({ subject: subject(`a\nb${'c'.repeat(500)}`), subjectaltname: undefined });
  expect(name).toBe(`a?b${'c'.repeat(125)}`);
});

test('without any name there is none', () => {
  expect(certificateName({ subject: subject(''), subjectaltname: undefined })).toBeUndefined();
  expect(certificateName({ subject: subject('') })).toBeUndefined();
});
