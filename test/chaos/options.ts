import { parseArgs } from 'node:util';
import { PARTS, type Part, type Scenario, SCENARIOS } from './schedule.ts';
import { SABOTAGES, type Sabotage } from './sabotage.ts';

export interface ChaosOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly natsBinary: string | undefined;
  /** Parts that suffer; all by default, none for a calm run. */
  readonly only: readonly Part[];
  /** One fault instead of the mixture. */
  readonly scenario: Scenario | undefined;
  /** Calls at once, and the images' total size, bytes: what keeps a run below the machine's limits. */
  readonly callers: number;
  readonly maxBytes: number;
  readonly sabotage: Sabotage | undefined;
  /** Keeps logs, ledger and objects of a good run as well. */
  readonly keep: boolean;
}

export const USAGE = `npm run chaos -- [--minutes M] [--seed S] [--nats BINARY] [--sabotage ${SABOTAGES.join('|')}] [--only ${PARTS.join(',')}|none] [--scenario ${SCENARIOS.join('|')}] [--callers N] [--max-megabytes N] [--keep]`;

/** @throws {Error} with the usage when the arguments cannot be used. */
export function readOptions(args: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '1' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      nats: { type: 'string' },
      only: { type: 'string' },
      scenario: { type: 'string' },
      callers: { type: 'string', default: '8' },
      'max-megabytes': { type: 'string', default: '6000' },
      sabotage: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  const seed = Number(values.seed);
  const sabotage = SABOTAGES.find((known) => known === values.sabotage);
  const scenario = SCENARIOS.find((known) => known === values.scenario);
  const callers = Number(values.callers);
  const maxBytes = Number(values['max-megabytes']) * 1e6;
  if (!(callers > 0 && maxBytes > 0)) throw new Error(USAGE);
  if (values.scenario !== undefined && scenario === undefined) {
    throw new Error(`no such scenario: ${values.scenario}\n${USAGE}`);
  }
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error(`--minutes must be a number above 0\n${USAGE}`);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed must be a whole number\n${USAGE}`);
  if (values.sabotage !== undefined && sabotage === undefined)
    throw new Error(`no such sabotage: ${values.sabotage}\n${USAGE}`);
  const natsBinary = values.nats;
  const named = values.only?.split(',') ?? PARTS;
  const only = PARTS.filter((part) => named.includes(part));
  if (only.length !== named.length && values.only !== 'none')
    throw new Error(`no such part: ${values.only}\n${USAGE}`);
  return { minutes, seed, natsBinary, only, scenario, callers, maxBytes, sabotage, keep: values.keep };
}

/** The command that does the same again. */
export const repeatCommand = ({
  minutes,
  seed,
  natsBinary,
  only,
  scenario,
  callers,
  maxBytes,
  sabotage,
}: ChaosOptions): string =>
  [
    `npm run chaos -- --minutes ${minutes} --seed ${seed} --callers ${callers} --max-megabytes ${maxBytes / 1e6}`,
    ...(scenario === undefined ? [] : [`--scenario ${scenario}`]),
    ...(natsBinary === undefined ? [] : [`--nats ${natsBinary}`]),
    ...(only.length === PARTS.length ? [] : [`--only ${only.join(',') || 'none'}`]),
    ...(sabotage === undefined ? [] : [`--sabotage ${sabotage}`]),
  ].join(' ');
