import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GenerateImageRequest } from '../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { textCollector } from '../../test/_support/text-collector.ts';
import { runGenerate } from './generate-command.ts';
import {
  acceptedEvent,
  chunkEvents,
  detailedError,
  goodEvents,
  headerEvent,
  IMAGE,
  IMAGE_HASH,
  play,
  resultEvent,
  type ScriptedCall,
  send,
  type ScriptedServer,
  startScriptedServer,
} from './scripted-server.ts';

let folder: string;
let server: ScriptedServer;
let script: (call: ScriptedCall) => void;
let request: GenerateImageRequest | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sekai-generate-'));
  script = play(goodEvents());
  request = undefined;
  server = await startScriptedServer((call) => {
    request = call.request;
    script(call);
  });
});

afterEach(async () => {
  server.stop();
  await rm(folder, { recursive: true });
});

async function run(
  args: readonly string[],
  { signal = new AbortController().signal, isTTY = false, target = server.target } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const stdout = textCollector();
  const stderr = Object.assign(textCollector(), { isTTY });
  const code = await runGenerate([...args, '--target', target], { stdout, stderr, signal });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

const output = (name = 'out.jpg'): string => join(folder, name);

describe('a good call', () => {
  it('writes the file and tells the facts', async () => {
    const { code, stdout, stderr } = await run(['a lighthouse', '-o', output()]);
    expect(code).toBe(0);
    expect(Buffer.compare(await readFile(output()), IMAGE)).toBe(0);
    expect(await readdir(folder)).toEqual(['out.jpg']);
    for (const fact of [
      output(),
      '640 x 480',
      '150.0 kB',
      IMAGE_HASH,
      'queued',
      request?.requestId ?? '?',
      '1250 ms',
    ]) {
      expect(stdout).toContain(fact);
    }
    expect(stdout).toContain(`s3://bucket/prefix/output-${IMAGE_HASH}.jpg`);
    expect(stdout).toContain(`s3://bucket/prefix/input-${IMAGE_HASH}.json`);
    expect(stdout).toContain('sampler: the engine has only one sampler (SAMPLER_IGNORED)');
    expect(stderr).toContain('accepted by scripted');
    expect(stderr).toContain('50 %  sampling 10/20');
  });

  it('prints one JSON object with --json', async () => {
    const { stdout } = await run(['a lighthouse', '-o', output(), '--json']);
    expect(stdout.trimEnd()).not.toContain('\n');
    expect(JSON.parse(stdout)).toMatchObject({
      file: output(),
      size_bytes: 150_000,
      media_type: 'image/jpeg',
      width: 640,
      height: 480,
      seed: 7,
      image_hash: IMAGE_HASH,
      archive: { state: 'queued', bucket: 'bucket', key: `prefix/output-${IMAGE_HASH}.jpg` },
      timings_ms: { queue: 5, generation: 1250 },
    });
  });

  it('sends every flag', async () => {
    const flags =
      '--width 512 --height 256 --seed 0 --steps 4 --lora ink:0.5 --lora a:b:-1 --lora plain --model m' +
      ' --negative-prompt fog --quality 70 --guidance-scale 3.5 --sampler euler --label team=maps -q';
    await run(['a lighthouse', '-o', output('out.webp'), ...flags.split(' ')]);
    expect(request).toMatchObject({
      prompt: 'a lighthouse',
      negativePrompt: 'fog',
      model: 'm',
      width: 512,
      height: 256,
      seed: 0,
      steps: 4,
      guidanceScale: 3.5,
      sampler: 'euler',
      imageQuality: 70,
      imageEncoding: 3,
      loras: [{ name: 'ink', strength: 0.5 }, { name: 'a:b', strength: -1 }, { name: 'plain' }],
      labels: { team: 'maps' },
    });
  });

  it('takes the format from the extension unless --format says otherwise', async () => {
    await run(['x', '-o', output('a.PNG')]);
    expect(request?.imageEncoding).toBe(2);
    await run(['x', '-o', output('a.png'), '--format', 'jpeg']);
    expect(request?.imageEncoding).toBe(1);
    await run(['x', '-o', output('no-extension')]);
    expect(request?.imageEncoding).toBe(1);
  });

  it('shows a bar on a terminal and wipes it', async () => {
    const { stderr } = await run(['x', '-o', output()], { isTTY: true });
    expect(stderr).toContain('%');
    expect(stderr).not.toContain('accepted by scripted: request');
  });

  it('is silent with --quiet', async () => {
    expect((await run(['x', '-o', output(), '--quiet'])).stderr).toBe('');
  });
});

describe('a call that fails', () => {
  it('exits with 1 and prints the message and each violation on its own line', async () => {
    script = (call) => call.emit('error', detailedError(status.INVALID_ARGUMENT, 'prompt: is wrong'));
    const { code, stdout, stderr } = await run(['x', '-o', output()]);
    expect(code).toBe(1);
    expect(stderr).toBe(
      'INVALID_ARGUMENT: prompt: is wrong\n' +
        '  prompt: prompt is wrong (PROMPT_REQUIRED)\n' +
        '  steps: steps is wrong (STEPS_OUT_OF_RANGE)\n' +
        'try again in 2 s\n',
    );
    expect(stdout).toBe('');
    expect(await readdir(folder)).toEqual([]);
  });

  it('prints one JSON object with --json', async () => {
    script = (call) => call.emit('error', detailedError(status.INVALID_ARGUMENT, 'prompt: is wrong'));
    const { stdout } = await run(['x', '-o', output(), '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', reason: 'PROMPT_REQUIRED', retry_after_ms: 1500 },
    });
  });

  it('leaves an earlier file alone when the payload is damaged', async () => {
    await run(['x', '-o', output()]);
    script = play(goodEvents().filter(({ $case }) => $case !== 'result'));
    const { code, stderr } = await run(['x', '-o', output()]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/without a result\n$/);
    expect(Buffer.compare(await readFile(output()), IMAGE)).toBe(0);
  });

  it('says how to start a service when nobody listens', async () => {
    const { target } = server;
    server.stop();
    const { code, stderr } = await run(['x', '-o', output(), '--attempts', '2'], { target });
    expect(code).toBe(1);
    expect(stderr).toContain(`Is the service running at ${target}?`);
    expect(stderr).toMatch(
      /^UNAVAILABLE, attempt 2 of 2 in \d\.\d s\nUNAVAILABLE: .*ECONNREFUSED 127\.0\.0\.1:\d+\n/,
    );
  });

  it('ends on an interrupt', async () => {
    const controller = new AbortController();
    script = (call) => {
      send(call, acceptedEvent());
      controller.abort(new Error('stopped by SIGINT'));
    };
    expect((await run(['x', '-o', output()], { signal: controller.signal })).code).toBe(130);
  });
});

describe('wrong usage', () => {
  const cases: [string, string[], RegExp][] = [
    ['no prompt', [], /missing required argument 'prompt'/],
    ['two prompts', ['a', 'b'], /too many arguments/],
    ['an unknown flag', ['a', '--colour'], /unknown option/],
    ['a width that is no number', ['a', '--width', '1e3'], /not a whole number/],
    ['no attempt at all', ['a', '--attempts', '0'], /not a whole number from 1/],
    ['a seed of 33 bits', ['a', '--seed', '4294967296'], /not a whole number/],
    ['a strength that is no number', ['a', '--lora', 'ink:strong'], /not a number/],
    ['a LoRA without a name', ['a', '--lora', ':1'], /name:strength/],
    ['an unknown format', ['a', '--format', 'gif'], /Allowed choices are jpeg, png, webp/],
    ['an extension that is no image', ['a', '-o', 'out.gif'], /"\.gif" is no format/],
    ['a folder that is not there', ['a', '-o', '/no/such/folder/out.jpg'], /no folder \/no\/such\/folder/],
    ['a folder as file', ['a', '-o', tmpdir()], /is a folder/],
  ];
  for (const [name, args, message] of cases) {
    it(`exits with 64 for ${name}`, async () => {
      const { code, stderr } = await run(args);
      expect(stderr).toMatch(message);
      expect(code).toBe(64);
      expect(request).toBeUndefined();
    });
  }

  it('exits with 0 for --help', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('--lora');
  });
});

describe('response formats', () => {
  const linked = (url: string): ReturnType<typeof resultEvent> => {
    const event = resultEvent(IMAGE_HASH);
    if (event.$case !== 'result' || event.value.archive === undefined) throw new Error('no result');
    const archive = {
      ...event.value.archive,
      downloadUrl: url,
      downloadUrlExpireTime: new Date(1_800_000_000_000),
    };
    return { $case: 'result', value: { ...event.value, archive } };
  };
  let store: Server;
  let answer: { status: number; body: Uint8Array };
  let url: string;

  beforeEach(async () => {
    answer = { status: 200, body: IMAGE };
    store = createServer((_, response) => response.writeHead(answer.status).end(answer.body));
    await new Promise<void>((resolve) => void store.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(store.address() as AddressInfo).port}/key?X-Amz-Signature=secret`;
    script = play([acceptedEvent(3), linked(url)]);
  });
  afterEach(() => void store.close());

  it('prints the link of an S3 call and writes nothing', async () => {
    const { code, stdout } = await run(['x', '--response-format', 's3']);
    expect(code).toBe(0);
    expect(stdout).toContain(`link     ${url}\n         works until 2027-01-15T08:00:00.000Z\n`);
    expect(stdout).not.toMatch(/^file/m);
    expect(request?.responseFormat).toBe(3);
    const { stdout: json } = await run(['x', '--response-format', 's3', '--json']);
    expect(JSON.parse(json)).toMatchObject({ file: null, archive: { download_url: url } });
  });

  it('downloads the image of an S3 call when a file is wanted', async () => {
    const { code, stdout } = await run(['x', '--response-format', 's3', '-o', output()]);
    expect(code).toBe(0);
    expect(Buffer.compare(await readFile(output()), IMAGE)).toBe(0);
    expect(stdout).toContain('150.0 kB');
  });

  it.each([
    ['is another one', { status: 200, body: Buffer.from('other') }, /announced/],
    ['is refused', { status: 403, body: Buffer.alloc(0) }, /status 403/],
  ])('writes nothing when the stored image %s, and shows no link', async (_, given, message) => {
    answer = given;
    const { code, stderr } = await run(['x', '--response-format', 's3', '-o', output()]);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('X-Amz-Signature');
    expect(await readdir(folder)).toEqual([]);
  });

  it('writes the document of a JSON call', async () => {
    const document = Buffer.from('{"data":[{"b64_json":""}]}\n');
    script = play([
      acceptedEvent(2),
      headerEvent(document, 'application/json'),
      ...chunkEvents(document),
      resultEvent(IMAGE_HASH),
    ]);
    const { code } = await run(['x', '--response-format', 'json', '--format', 'png', '-o', output('a.json')]);
    expect(code).toBe(0);
    expect(Buffer.compare(await readFile(output('a.json')), document)).toBe(0);
    expect(request).toMatchObject({ responseFormat: 2, imageEncoding: 2 });
  });
});
