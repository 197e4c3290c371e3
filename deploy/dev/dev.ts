/** `npm run dev`: the whole system on its default ports, until Ctrl-C. */
import { resolve } from 'node:path';
import { runUntilSignal } from '../../services/runtime/lifecycle.ts';
import type { LogLine } from './managed-process.ts';
import { type Stack, type StackPorts, startStack } from './stack.ts';

const PORTS: StackPorts = { grpc: 50_051, admin: 9_464, archiverAdmin: 9_465, nats: 4_222, s3: 9_000 };
const METHOD = 'sekai.image.v1.ImageGenerationService/GenerateImage';

const print = (text: string): void => void process.stdout.write(`${text}\n`);

function printLine(process: string, line: LogLine): void {
  const word = (name: string): string => {
    const value = line[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  const level = word('level') === 'info' ? '' : word('level');
  const extra = ['code', 'ms', 'requestId', 'cure'].flatMap((name) =>
    word(name) === '' ? [] : [`${name}=${word(name)}`],
  );
  const parts = [word('time').slice(11, 23), process.padEnd(8), level, line.msg ?? '', ...extra];
  print(parts.filter((part) => part !== '').join(' '));
}

function printHelp({ target, archive, directory }: Stack): void {
  const request = `'{"prompt": "a calm sea at night"}'`;
  print(`
image service  ${target} (gRPC), http://127.0.0.1:${PORTS.admin}/readyz /metrics
data and logs  ${directory}

  grpcurl -plaintext ${target} list
  grpcurl -plaintext -d ${request} ${target} ${METHOD}
  npx buf curl --protocol grpc --http2-prior-knowledge http://${target} --list-methods
  npx buf curl --protocol grpc --http2-prior-knowledge -d ${request} http://${target}/${METHOD}
  npm run generate -- "a calm sea at night" -o sea.jpg`);
  if (archive !== undefined) {
    const { S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = archive.environment;
    const bucket = `S3_ENDPOINT=${S3_ENDPOINT} AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY}`;
    print(`
archiver       http://127.0.0.1:${PORTS.archiverAdmin}/readyz /metrics, nats-server ${archive.nats.version} ${archive.nats.url}
bucket         ${archive.bucket} at ${archive.s3.endpoint}, files under ${directory}/s3

  export ${bucket}
  npm run archive -- verify <hash>
  npm run smoke -- --target ${target}`);
  }
  print('\nCtrl-C stops everything.\n');
}

await runUntilSignal(
  async () => {
    let announced = false;
    const stack = await startStack({
      directory: resolve('.sekai', 'dev'),
      environment: process.env,
      ports: PORTS,
      onLine: (process, line) => {
        if (announced || line['level'] !== 'info') printLine(process, line);
      },
    });
    printHelp(stack);
    announced = true;
    return { stop: () => stack.stop() };
  },
  {
    stopDeadlineMs: 60_000,
    report: (error) => process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`),
  },
);
