import { Metadata, status } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { readExposition } from '../../../test/_support/exposition.ts';
import { createCallNotebook } from '../grpc/call-notes.ts';
import { STATUS_CODES, statusTitle } from '../grpc/status-names.ts';
import { createCallMetrics } from './call-metrics.ts';

const SERVICE = 'sekai.image.v1.ImageGenerationService';
const call = () => ({
  path: `/${SERVICE}/GenerateImage`,
  service: SERVICE,
  method: 'GenerateImage',
  type: 'server_stream' as const,
  metadata: new Metadata(),
  peer: '10.0.0.7:51234',
  deadline: Infinity,
});
const END = { durationMs: 300, bytesSent: 10, messagesSent: 2, messagesReceived: 1 };

test('a hundred callers have a series each, all others are one', async () => {
  const registry = new Registry();
  const notebook = createCallNotebook();
  const metrics = createCallMetrics(registry, notebook);
  for (let i = 0; i < 1_000; i += 1) {
    const made = call();
    notebook.note(made, { caller: `${i % 500}"\n\\ caller`, reason: `REASON_${i}` });
    metrics.started(made).ended({ ...END, code: status.ABORTED });
  }
  const exposition = readExposition(await registry.metrics());
  const callers = exposition.by('sekai_caller_calls_total', 'caller');
  expect(Object.keys(callers)).toHaveLength(101);
  expect(callers['other']).toBe(800);
  const reasons = exposition.by('sekai_call_errors_total', 'reason');
  expect(Object.keys(reasons).length).toBeLessThanOrEqual(101);
  expect(Object.values(reasons).reduce((sum, count) => sum + count, 0)).toBe(1_000);
});

test('codes have the names of the ecosystem, one each', () => {
  const titles =
    'OK Cancelled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted ' +
    'FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated';
  expect(STATUS_CODES.map(statusTitle)).toEqual(titles.split(' '));
});

test('a call that runs has started and is not handled', async () => {
  const registry = new Registry();
  const metrics = createCallMetrics(registry, createCallNotebook());
  metrics.started(call());
  const exposition = readExposition(await registry.metrics());
  expect(exposition.by('grpc_server_started_total', 'grpc_method')).toEqual({ GenerateImage: 1 });
  expect(exposition.by('grpc_server_handled_total', 'grpc_code')).toEqual({});
});
