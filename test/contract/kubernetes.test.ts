/** Policies over the manifests as kustomize renders them, and proof that each policy sees its fault. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ImageGenerationFixture, startFixture } from '../_support/image-generation-fixture.ts';
import * as configuration from './kubernetes/configuration.ts';
import * as lifecycle from './kubernetes/lifecycle.ts';
import { everyContainer, type Manifest, type Policy, processes, renderings } from './kubernetes/manifests.ts';
import { MUTATIONS } from './kubernetes/mutations.ts';
import * as network from './kubernetes/network.ts';
import * as resources from './kubernetes/resources.ts';
import * as security from './kubernetes/security.ts';

const ALWAYS: Readonly<Record<string, Policy>> = {
  'every container is restricted': security.containersAreRestricted,
  'every pod is restricted': security.podsAreRestricted,
  'the namespace enforces "restricted"': security.namespaceEnforcesRestricted,
  'the service has no login for the bucket': security.serviceHasNoBucketLogin,
  'ConfigMaps that pods refer to are there': security.referencesExist(['ConfigMap']),
  'variables are known to the configuration': configuration.variablesAreKnown,
  'required variables are set': configuration.requiredVariablesAreSet,
  'the programs start with their variables': configuration.configurationIsUsable,
  'files that variables name are mounted': configuration.filesAreMounted,
  'the spool fits its volume': configuration.spoolFitsItsVolume,
  'ports are those that the programs listen on': network.portsAreTheConfigured,
  'Services reach ports': network.servicesReachPorts,
  'there is a Service and a headless one': network.bothServicesAreThere,
  'protocols fit TLS': network.protocolFitsTls,
  'selectors select': network.selectorsSelect,
  'NetworkPolicies let pass what is needed and nothing else': network.networkPoliciesFit,
  'PodMonitors find their ports': network.podMonitorPortsExist,
  'the grace period suffices': lifecycle.gracePeriodSuffices,
  'the service sleeps before it stops': lifecycle.serviceSleepsFirst,
  'probes point at own ports': lifecycle.probesPointAtOwnPorts,
  'probes do not depend on others': lifecycle.probesDoNotDependOnOthers,
  'probes speak the protocol': lifecycle.probesSpeakTheProtocol,
  'the archiver is a native sidecar': lifecycle.archiverIsSidecar,
  'the autoscaler fits its target': lifecycle.autoscalerFits,
  'resources are set': resources.resourcesAreSet,
  'memory suffices': resources.memorySuffices,
  'disk suffices': resources.diskSuffices,
};

const IN_PRODUCTION: Readonly<Record<string, Policy>> = {
  'images are pinned by their digest': resources.imagesArePinned,
  'no Secret is rendered': security.productionHasNoSecrets,
  'disruption is budgeted': lifecycle.disruptionIsBudgeted,
};

const IN_DEVELOPMENT: Readonly<Record<string, Policy>> = {
  'images have tags': resources.imagesHaveTags,
  'Secrets that pods refer to are there': security.referencesExist(['Secret']),
};

const rendered = renderings();
const policiesFor = (rendering: string): [string, Policy][] =>
  Object.entries({ ...ALWAYS, ...(rendering.startsWith('dev') ? IN_DEVELOPMENT : IN_PRODUCTION) });

test('there are manifests to judge', () => {
  expect(Object.keys(rendered)).toEqual(expect.arrayContaining(['dev', 'prod', 'prod+tls']));
  expect(everyContainer(rendered['prod'] ?? []).map(({ where }) => where)).toEqual([
    'sekai-image/archiver',
    'sekai-image/service',
  ]);
});

describe.each(Object.entries(rendered))('%s', (rendering, manifests) => {
  test.each(policiesFor(rendering))('%s', (_name, policy) => {
    expect(policy(manifests)).toEqual([]);
  });
});

const allPolicies = { ...ALWAYS, ...IN_PRODUCTION, ...IN_DEVELOPMENT };

test('each policy has been shown a fault', () => {
  expect(Object.keys(MUTATIONS).toSorted()).toEqual(Object.keys(allPolicies).toSorted());
});

describe.each(Object.entries(MUTATIONS))('%s: a policy that sees', (policy, mutations) => {
  test.each(mutations)('%s with %s', (rendering, _what, from, to) => {
    const text = JSON.stringify(rendered[rendering]);
    const changed = text.replace(from, to);
    expect(changed).not.toBe(text);
    expect(allPolicies[policy]?.(JSON.parse(changed) as Manifest[])).not.toEqual([]);
  });
});

describe('what probes ask for', () => {
  let fixture: ImageGenerationFixture;
  let health: Client;

  beforeAll(async () => {
    fixture = await startFixture({ ENABLE_INTERNAL_S3_UPLOAD: 'false' });
    health = new Client(fixture.target, credentials.createInsecure());
  });
  afterAll(async () => {
    health.close();
    await fixture[Symbol.asyncDispose]();
  });

  const probes = Object.values(rendered).flatMap((manifests) =>
    processes(manifests).flatMap(({ container }) => lifecycle.probesOf(container)),
  );
  const paths = [...new Set(probes.flatMap(({ httpGet }) => httpGet?.path ?? []))];
  const services = [...new Set(probes.flatMap(({ grpc }) => grpc?.service ?? []))];

  test.each(paths)('%s is answered', async (path) => {
    const { status } = await fetch(`http://127.0.0.1:${fixture.service.adminPort}${path}`);
    expect(status).toBe(200);
  });

  test.each(services)('gRPC health knows "%s"', async (service) => {
    // HealthCheckRequest and HealthCheckResponse by hand: a string and an enum, both field 1.
    const request = Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)]);
    const asItIs = (bytes: Buffer): Buffer => bytes;
    const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
      health.makeUnaryRequest('/grpc.health.v1.Health/Check', asItIs, asItIs, request, (error, response) =>
        error === null ? resolve(response) : reject(error),
      );
    });
    expect(answer).toEqual(Buffer.from([0x08, 1]));
  });

  test('both kinds are used', () => {
    expect([paths.toSorted(), services.toSorted()]).toEqual([
      ['/healthz', '/readyz'],
      ['liveness', 'readiness'],
    ]);
  });
});

test('operators are told of every Secret that they have to make', () => {
  const guide = readFileSync(join(import.meta.dirname, '..', '..', 'deploy', 'README.md'), 'utf8');
  const wanted = Object.entries(rendered)
    .filter(([name]) => name.startsWith('prod'))
    .flatMap(([, manifests]) => security.referencesOf(manifests))
    .flatMap((reference) => /^Secret (.+)$/.exec(reference)?.[1] ?? []);
  expect(wanted.length).toBeGreaterThan(0);
  expect([...new Set(wanted)].filter((name) => !guide.includes(`\`${name}\``))).toEqual([]);
});
