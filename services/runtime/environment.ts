/**
 * Typed environment variables. A process describes its variables as one zod object; `readEnvironment` checks
 * them all and throws one error that lists every fault with name, expected form and value.
 */
import { z } from 'zod';

/** Exit code for a faulty configuration: EX_CONFIG of sysexits.h. */
export const EXIT_CODE_CONFIG = 78;

/** One environment variable that cannot be used. */
export interface ConfigFault {
  readonly name: string;
  /** What a good value looks like. */
  readonly expected: string;
  /** The value found, or undefined when it is missing; masked when the variable is secret. */
  readonly value: string | undefined;
}

/** The configuration cannot be used; the process must exit with {@link EXIT_CODE_CONFIG}. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    const lines = faults.map(
      ({ name, expected, value }) =>
        `  ${name}: expected ${expected}, got ${value === undefined ? 'nothing' : JSON.stringify(value)}`,
    );
    super(`configuration is not usable:\n${lines.join('\n')}`);
    this.faults = faults;
  }
}

/** What the configuration reference and the fault messages need to know of a variable. */
export interface VariableMeta {
  /** What a good value looks like, as in "expected …". */
  readonly expected: string;
  /** What the variable does, one sentence. */
  readonly purpose: string;
  /** Secret values are never printed. */
  readonly secret?: boolean;
}

type Read<T> = (text: string) => T | undefined;

/** Describes a variable read by `read`, which returns undefined for text it cannot use. */
export function variable<T>(meta: VariableMeta, read: Read<T>) {
  return z
    .string()
    .transform((text, context) => {
      const value = read(text);
      if (value === undefined) {
        context.addIssue({ code: 'custom', message: meta.expected });
        return z.NEVER;
      }
      return value;
    })
    .meta({ ...meta });
}

/** Free text. */
export const text = (purpose: string, expected = 'text') => variable({ expected, purpose }, (value) => value);

/** Free text that is never printed. */
export const secret = (purpose: string) =>
  variable({ expected: 'a non-empty secret', purpose, secret: true }, (value) => value);

/** Whole number within [min, max]. */
export const integer = (purpose: string, min: number, max: number) =>
  variable({ expected: `a whole number from ${min} to ${max}`, purpose }, (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : undefined;
  });

/** `true` or `false`. */
export const flag = (purpose: string) =>
  variable({ expected: '"true" or "false"', purpose }, (value) =>
    value === 'true' ? true : value === 'false' ? false : undefined,
  );

/** One of a few words. */
export const oneOf = <const W extends readonly string[]>(purpose: string, words: W) =>
  variable({ expected: `one of ${words.join(', ')}`, purpose }, (value): W[number] | undefined =>
    words.includes(value) ? value : undefined,
  );

/** Where a server listens. Port 0 takes any free port. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `host:port`; an IPv6 host stands in brackets. */
export const listenAddress = (purpose: string) =>
  variable(
    { expected: 'host:port with a port from 0 to 65535', purpose },
    (value): ListenAddress | undefined => {
      const match = /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(value);
      const [, host, port] = match ?? [];
      if (host === undefined || Number(port) > 65_535) return undefined;
      return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
    },
  );

/** URL with one of the given schemes, such as `https`. */
export const url = (purpose: string, schemes: readonly string[]) =>
  variable(
    { expected: `a URL starting with ${schemes.map((s) => `${s}://`).join(' or ')}`, purpose },
    (value) => {
      if (!URL.canParse(value)) return undefined;
      const parsed = new URL(value);
      return schemes.includes(parsed.protocol.slice(0, -1)) && parsed.hostname !== '' ? parsed : undefined;
    },
  );

/** Comma-separated URLs. */
export const urlList = (purpose: string, schemes: readonly string[]) =>
  variable(
    { expected: `a comma list of URLs starting with ${schemes.map((s) => `${s}://`).join(' or ')}`, purpose },
    (value) => {
      const parts = value.split(',').map((part) => part.trim());
      const good = parts.every(
        (part) => URL.canParse(part) && schemes.includes(new URL(part).protocol.slice(0, -1)),
      );
      return good ? parts : undefined;
    },
  );

/** Variables as they were found; empty values are undefined. */
export type RawEnvironment = Readonly<Record<string, string | undefined>>;

/**
 * Reads and checks the variables that `schema` describes. Empty values count as unset.
 * @param contradictions Finds variables that are good by themselves and not together.
 * @throws {ConfigError} with every fault.
 */
export function readEnvironment<S extends z.ZodObject>(
  schema: S,
  environment: RawEnvironment,
  contradictions: (raw: RawEnvironment) => ConfigFault[] = () => [],
): z.output<S> {
  const known = Object.keys(schema.shape);
  const present = Object.fromEntries(
    known.map((name) => [name, environment[name] === '' ? undefined : environment[name]]),
  );
  const parsed = schema.safeParse(present);
  const faults = contradictions(present);
  if (parsed.success && faults.length === 0) return parsed.data;
  const issues = parsed.error?.issues ?? [];
  const single = issues.map((issue) => {
    const name = String(issue.path[0]);
    const meta = variableMeta(schema.shape[name] as z.ZodType);
    const value = present[name];
    return {
      name,
      expected: meta?.expected ?? issue.message,
      value: value === undefined ? undefined : meta?.secret ? '(secret)' : withoutLogin(value),
    };
  });
  throw new ConfigError([...single, ...faults]);
}

/** A user and password in a URL are as secret as any other. */
const withoutLogin = (value: string): string => value.replaceAll(/\/\/[^/\s,]*@/g, '//(secret)@');

/** The description of a variable, also behind `optional()` and `default()`. */
export function variableMeta(schema: z.ZodType): VariableMeta | undefined {
  const meta = z.globalRegistry.get(schema) as VariableMeta | undefined;
  if (meta?.expected !== undefined) return meta;
  const inner = (schema as { unwrap?: () => z.ZodType }).unwrap?.();
  return inner === undefined ? undefined : variableMeta(inner);
}
