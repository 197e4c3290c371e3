/** Which of the messages of ComfyUI's WebSocket are about one job. */
import { at, textAt } from '../http/json-reading.ts';

/** Most messages that are kept until the job's id is known. */
const MAX_EARLY = 32;
const ENDINGS: ReadonlySet<string> = new Set([
  'execution_success',
  'execution_error',
  'execution_interrupted',
]);

export interface OwnMessages {
  /**
   * The job runs. The engine runs one at a time. Progress and previews of jobs that were sent without a client id
   * go to everybody, previews and older engines' progress without the job's id: they are ours only while ours runs.
   */
  readonly running: boolean;
  hear(text: string): void;
  /** The engine has answered with the job's id; what it said of that job before is heard now. */
  identified(id: string): void;
}

/**
 * @param chosenId The job's id, unless the engine is too old to take it.
 * @param told Takes the job's messages. `isEnd`: it has ended.
 */
export function createOwnMessages(
  chosenId: string,
  told: (type: string, data: unknown, isEnd: boolean) => void,
): OwnMessages {
  let jobId = chosenId;
  let early: string[] | undefined = [];
  let running = false;
  const hear = (text: string): void => {
    const value = parsed(text);
    const promptId = textAt(value, 'data', 'prompt_id');
    if (promptId !== undefined) running = promptId === jobId;
    if (!running) {
      if (early !== undefined && early.length < MAX_EARLY) early.push(text);
      return;
    }
    const type = textAt(value, 'type') ?? '';
    const data = at(value, 'data');
    const isEnd = ENDINGS.has(type) || (type === 'executing' && textAt(data, 'node') === undefined);
    if (isEnd) running = false;
    told(type, data, isEnd);
  };
  return {
    get running() {
      return running;
    },
    hear,
    identified(id) {
      const replayed = id === jobId ? [] : (early ?? []);
      jobId = id;
      early = undefined;
      for (const text of replayed) hear(text);
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
