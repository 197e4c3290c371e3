/** deploy/configuration.md: every environment variable of the two processes, from the schemas that read them. */
import { tmpdir } from 'node:os';
import type { z } from 'zod';
import { imageGenerationVariables } from '../../services/image-generation/config.ts';
import { EXIT_CODE_CONFIG, variableMeta } from '../../services/runtime/environment.ts';
import { archiverVariables } from '../../sidecar/config.ts';

interface Variable {
  readonly name: string;
  readonly fallback: string | undefined;
  readonly expected: string;
  readonly purpose: string;
  readonly secret: boolean;
}

const HEAD = `<!-- Made by deploy/dev/write-generated.ts from the schemas that read the variables. Not to be edited. -->
# Configuration reference

Environment variables. An empty value counts as unset. A process that finds faults names all of them at once and ends
with exit code ${EXIT_CODE_CONFIG}; secret values are never printed. How the variables play together stands in the
[README](../README.md#configuration), sizes in [\`README.md\`](README.md#sizing). The archiver finds its credentials for
the bucket in \`AWS_ACCESS_KEY_ID\`, \`AWS_SECRET_ACCESS_KEY\` and \`AWS_SESSION_TOKEN\`, or in the variables of IRSA, EKS Pod
Identity and ECS, which their agents set.
`;

/** The whole document. */
export function configurationReference(): string {
  const service = variablesOf(imageGenerationVariables);
  const archiver = variablesOf(archiverVariables);
  const both = service.filter((variable) => archiver.some((other) => sameUse(variable, other)));
  const without = (variables: readonly Variable[]): Variable[] =>
    variables.filter(({ name }) => !both.some((shared) => shared.name === name));
  return [
    HEAD,
    section('Both processes', 'They must agree on NATS, bucket and prefix.', both),
    section('Image service', 'dist/services/image-generation/main.js', without(service)),
    section('Archiver', 'dist/sidecar/main.js', without(archiver)),
  ].join('\n');
}

/** The purpose may be said in other words. */
const sameUse = (a: Variable, b: Variable): boolean =>
  a.name === b.name && a.fallback === b.fallback && a.expected === b.expected;

const variablesOf = (schema: z.ZodObject): Variable[] =>
  Object.entries(schema.shape)
    .map(([name, type]) => describe(name, type as z.ZodType))
    .toSorted((a, b) => a.name.localeCompare(b.name, 'en'));

/** @throws {Error} for a variable that says nothing of itself. */
function describe(name: string, type: z.ZodType): Variable {
  const meta = variableMeta(type);
  if (meta === undefined) throw new Error(`${name} has no description`);
  const { defaultValue } = type.def as { defaultValue?: unknown };
  return {
    name,
    fallback: typeof defaultValue === 'string' ? onAnyMachine(defaultValue) : undefined,
    expected: meta.expected,
    purpose: meta.purpose.replace(/\.$/, ''),
    secret: meta.secret === true,
  };
}

const onAnyMachine = (value: string): string => value.replace(tmpdir(), '<temporary folder>');

function section(title: string, words: string, variables: readonly Variable[]): string {
  const rows = variables.map(({ name, fallback, expected, purpose, secret }) => {
    const cells = [
      `\`${name}\``,
      fallback === undefined ? '' : `\`${fallback}\``,
      secret ? `${expected}; never printed` : expected,
      purpose,
    ];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  const head = ['| variable | default | value | what it is for |', '|---|---|---|---|'];
  return `## ${title}\n\n${words}\n\n${[...head, ...rows].join('\n')}\n`;
}
