/** Reads a Dockerfile: what ours uses of the format, and an error for anything else. */

export type ImageStep =
  | { readonly kind: 'workdir'; readonly path: string }
  | {
      readonly kind: 'copy';
      readonly from: string | undefined;
      readonly sources: readonly string[];
      readonly target: string;
    }
  | { readonly kind: 'run'; readonly command: string }
  | { readonly kind: 'env'; readonly variables: Readonly<Record<string, string>> };

export interface ImageStage {
  readonly name: string;
  readonly base: string;
  readonly steps: readonly ImageStep[];
  /** `uid:gid`. */
  readonly user: string | undefined;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly exposed: readonly number[];
}

/** The stages in order; the last one is the image. @throws {Error} for an instruction that is not known here. */
export function parseDockerfile(text: string): ImageStage[] {
  const stages: Draft[] = [];
  for (const line of logicalLines(text)) {
    const [, word = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (word === 'FROM') stages.push(newStage(rest, stages.length));
    else apply(stages.at(-1) ?? unknown(line), word, rest);
  }
  return stages;
}

type Draft = { -readonly [K in keyof ImageStage]: ImageStage[K] } & { steps: ImageStep[] };

/** Without comments, and with continued lines joined. */
const logicalLines = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');

function newStage(rest: string, index: number): Draft {
  const [, base = '', name = String(index)] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? unknown(`FROM ${rest}`);
  return { name, base, steps: [], user: undefined, entrypoint: [], command: [], exposed: [] };
}

function apply(stage: Draft, word: string, rest: string): void {
  switch (word) {
    case 'WORKDIR':
      stage.steps.push({ kind: 'workdir', path: rest });
      return;
    case 'COPY': {
      const [, from, paths = ''] = /^(?:--from=(\S+) )?([^-].*)$/.exec(rest) ?? unknown(`COPY ${rest}`);
      const words = paths.split(/\s+/);
      stage.steps.push({ kind: 'copy', from, sources: words.slice(0, -1), target: words.at(-1) ?? '' });
      return;
    }
    case 'RUN':
      stage.steps.push({ kind: 'run', command: rest });
      return;
    case 'ENV': {
      const pairs = rest.trim().split(/\s+/);
      const variables = Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
      stage.steps.push({ kind: 'env', variables });
      return;
    }
    case 'USER':
      stage.user = rest;
      return;
    case 'ENTRYPOINT':
      stage.entrypoint = JSON.parse(rest) as string[];
      return;
    case 'CMD':
      stage.command = JSON.parse(rest) as string[];
      return;
    case 'EXPOSE':
      stage.exposed = rest.split(/\s+/).map(Number);
      return;
    case 'LABEL':
      return;
    default:
      unknown(`${word} ${rest}`);
  }
}

function unknown(line: string): never {
  throw new Error(`Dockerfile: not known here: ${line}`);
}
