/** Writing XML: only what S3 answers need. */

/** Text as XML character data. */
export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;');
}

/** An element around markup; `attributes` is markup too. */
export function element(name: string, markup: string, attributes = ''): string {
  return `<${name}${attributes === '' ? '' : ` ${attributes}`}>${markup}</${name}>`;
}

/** An element around text. */
export const textElement = (name: string, text: string | number | boolean) =>
  element(name, escapeXml(String(text)));

export const xmlDocument = (root: string) => `<?xml version="1.0" encoding="UTF-8"?>\n${root}`;
