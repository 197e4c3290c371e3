import { XMLParser } from 'fast-xml-parser';

/** An element: its text, or its children by local name. */
export type XmlNode = string | { readonly [name: string]: XmlNode | readonly XmlNode[] };

/** Largest document read, bytes: the documents read here have a few hundred. */
export const MAX_XML_BYTES = 64 * 1024;

/**
 * Parses a small document; undefined when the text is none, which answers of proxies are not. Namespaces are dropped,
 * attributes stand under `@name`.
 */
export function parseXml(text: string): { readonly root: string; readonly node: XmlNode } | undefined {
  // A document type is never needed and the way to every XML bomb.
  if (!text.trimStart().startsWith('<') || text.includes('<!DOCTYPE')) return undefined;
  try {
    const document = new XMLParser({
      ignoreAttributes: false,
      attributeNamePrefix: '@',
      removeNSPrefix: true,
      ignoreDeclaration: true,
      parseTagValue: false,
      parseAttributeValue: false,
    }).parse(text, true) as Record<string, XmlNode>;
    const [entry, ...others] = Object.entries(document);
    return entry === undefined || others.length > 0 ? undefined : { root: entry[0], node: entry[1] };
  } catch {
    return undefined;
  }
}

/** Text of the first child called `name`. */
export function childText(node: XmlNode | undefined, name: string): string | undefined {
  const child = children(node, name)[0];
  if (typeof child === 'string') return child;
  // An element with attributes keeps its text under this name.
  const text = child?.['#text'];
  return typeof text === 'string' ? text : undefined;
}

/** All children called `name`, in order. */
export function children(node: XmlNode | undefined, name: string): readonly XmlNode[] {
  if (node === undefined || typeof node === 'string') return [];
  const child = node[name];
  if (child === undefined) return [];
  return Array.isArray(child) ? (child as readonly XmlNode[]) : [child as XmlNode];
}
