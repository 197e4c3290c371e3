/** Ports, Services, selectors and NetworkPolicies, against what the programs listen on and dial. */
import { readConfig } from './configuration.ts';
import {
  containersOf,
  everyContainer,
  type Labels,
  type Manifest,
  ofKind,
  type Policy,
  processes,
  type Selector,
  selects,
  workloads,
} from './manifests.ts';
import { fault } from './security.ts';

/** The ports that a container declares are those that its program, so configured, listens on. */
export const portsAreTheConfigured: Policy = (manifests) =>
  processes(manifests).flatMap((process) => {
    const config = readConfig(process);
    const listens =
      config.program === 'service'
        ? [config.grpcListen.port, config.adminListen.port]
        : [config.adminListen.port];
    const declared = (process.container.ports ?? []).map(({ containerPort }) => containerPort);
    return fault(
      isSame(declared, listens),
      `${process.container.name}: declares ports ${String(declared)}, listens on ${String(listens)}`,
    );
  });

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((port) => b.includes(port));

interface ServiceSpec {
  readonly clusterIP?: string;
  readonly selector: Labels;
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly targetPort: string;
    readonly appProtocol?: string;
  }[];
}

export const servicesReachPorts: Policy = (manifests) =>
  ofKind(manifests, 'Service').flatMap((manifest) => {
    const { selector, ports } = manifest.spec as ServiceSpec;
    const targets = workloads(manifests).filter(({ labels }) => selects({ matchLabels: selector }, labels));
    const open = targets.flatMap(containersOf).flatMap(({ ports: declared = [] }) => declared);
    return ports.flatMap(({ port, targetPort }) =>
      fault(
        open.some(({ name, containerPort }) => name === targetPort && containerPort === port),
        `Service ${manifest.metadata.name}: no pod has port ${targetPort} (${port})`,
      ),
    );
  });

/** One Service for casual callers and one, headless, for those that spread their calls themselves. */
export const bothServicesAreThere: Policy = (manifests) => {
  const grpc = ofKind(manifests, 'Service')
    .map((manifest) => manifest.spec as ServiceSpec)
    .filter(({ ports }) => ports.some(({ name }) => name === 'grpc'));
  return fault(
    grpc.length === 2 && grpc.filter(({ clusterIP }) => clusterIP === 'None').length === 1,
    'not one ClusterIP Service and one headless for gRPC',
  );
};

/** With TLS nothing says cleartext any more. */
export const protocolFitsTls: Policy = (manifests) => {
  const tls = processes(manifests).some(({ environment }) => environment['TLS_CERT_FILE'] !== undefined);
  return ofKind(manifests, 'Service').flatMap((manifest) =>
    (manifest.spec as ServiceSpec).ports
      .filter(({ name }) => name === 'grpc')
      .flatMap(({ appProtocol }) =>
        fault(
          (appProtocol === 'kubernetes.io/h2c') === !tls,
          `Service ${manifest.metadata.name}: appProtocol`,
        ),
      ),
  );
};

/** Whatever selects pods selects some; a workload selects its own. */
export const selectorsSelect: Policy = (manifests) => {
  const pods = workloads(manifests);
  const some = (selector: Selector): boolean => pods.some(({ labels }) => selects(selector, labels));
  return [
    ...ofKind(manifests, 'Service').flatMap((manifest) =>
      fault(some({ matchLabels: (manifest.spec as ServiceSpec).selector }), nothing(manifest)),
    ),
    ...ofKind(manifests, 'PodDisruptionBudget', 'PodMonitor').flatMap((manifest) =>
      fault(some((manifest.spec as { selector: Selector }).selector), nothing(manifest)),
    ),
    ...ofKind(manifests, 'NetworkPolicy').flatMap((manifest) =>
      fault(some((manifest.spec as { podSelector: Selector }).podSelector), nothing(manifest)),
    ),
    ...pods.flatMap(({ name, selector, labels, pod }) => [
      ...fault(selects(selector, labels), `${name}: does not select its own pods`),
      ...fault(
        pods.filter((other) => selects(selector, other.labels)).length === 1,
        `${name}: selects pods of others`,
      ),
      ...(pod.topologySpreadConstraints ?? []).flatMap(({ labelSelector }) =>
        fault(selects(labelSelector, labels), `${name}: spreads other pods`),
      ),
    ]),
  ];
};

const nothing = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}: selects no pod`;

interface NetworkPolicySpec {
  readonly podSelector: Selector;
  readonly policyTypes?: readonly string[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

interface Rule {
  readonly from?: readonly unknown[];
  readonly to?: readonly unknown[];
  readonly ports?: readonly { readonly port: number; readonly protocol?: string }[];
}

const DNS = 53;
/** Where traces go when nothing else is said; an overlay may switch them on at any time. */
const OTLP_HTTP = 4318;

/** For each of our pods: what it listens on is let in, what it dials is let out, and nothing else. */
export const networkPoliciesFit: Policy = (manifests) =>
  workloads(manifests).flatMap((workload) => {
    const ours = processes(manifests).filter((process) => process.workload.name === workload.name);
    if (ours.length === 0) return [];
    const policies = ofKind(manifests, 'NetworkPolicy')
      .map((manifest) => manifest.spec as NetworkPolicySpec)
      .filter(({ podSelector }) => selects(podSelector, workload.labels));
    const [policy] = policies;
    if (policy === undefined || policies.length > 1) return [`${workload.name}: not one NetworkPolicy`];
    const listens = ours
      .flatMap(({ container }) => container.ports ?? [])
      .map(({ containerPort }) => containerPort);
    const dials = [...ours.flatMap(portsDialled), DNS];
    const [letIn, letOut] = [portsOf(policy.ingress), portsOf(policy.egress)];
    return [
      ...fault(
        policy.policyTypes?.includes('Ingress') === true && policy.policyTypes.includes('Egress'),
        `${workload.name}: the NetworkPolicy has one direction only`,
      ),
      ...fault(
        [...(policy.ingress ?? []), ...(policy.egress ?? [])].every(
          (rule) => (rule.from ?? rule.to ?? []).length > 0,
        ),
        `${workload.name}: a rule is for everybody`,
      ),
      ...unlike(`${workload.name}: ports let in`, letIn, listens),
      ...missing(`${workload.name}: ports let out`, letOut, dials),
      ...missing(`${workload.name}: ports dialled`, [...dials, OTLP_HTTP], letOut),
    ];
  });

function portsDialled(process: Parameters<typeof readConfig>[0]): number[] {
  const { environment } = process;
  const nats = (environment['NATS_URL'] ?? '').split(',').map((url) => Number(new URL(url).port || '4222'));
  const { protocol, port } = new URL(environment['S3_ENDPOINT'] ?? 'https://s3');
  const s3 = Number(port || (protocol === 'https:' ? '443' : '80'));
  const collector = environment['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const traces = collector === undefined ? [] : [Number(new URL(collector).port)];
  return [...nats, ...traces, ...(process.program === 'archiver' ? [s3] : [])];
}

const portsOf = (rules: readonly Rule[] = []): number[] =>
  rules.flatMap(({ ports = [] }) => ports.map(({ port }) => port));

const missing = (what: string, there: readonly number[], wanted: readonly number[]): string[] =>
  [...new Set(wanted)].filter((port) => !there.includes(port)).map((port) => `${what}: not ${port}`);

const unlike = (what: string, a: readonly number[], b: readonly number[]): string[] => [
  ...missing(what, a, b),
  ...missing(what, b, a),
];

export const podMonitorPortsExist: Policy = (manifests) =>
  ofKind(manifests, 'PodMonitor').flatMap((manifest) => {
    const { podMetricsEndpoints } = manifest.spec as {
      podMetricsEndpoints: { port: string; path: string }[];
    };
    const ports = everyContainer(manifests).flatMap(({ container }) => container.ports ?? []);
    return [
      ...podMetricsEndpoints.flatMap(({ port, path }) =>
        fault(
          path === '/metrics' && ports.some(({ name }) => name === port),
          `PodMonitor: no port ${port}${path}`,
        ),
      ),
      ...fault(podMetricsEndpoints.length === 2, 'PodMonitor: not service and archiver'),
    ];
  });
