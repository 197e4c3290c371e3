/** The rendered manifests as the policies look at them: only what they ask for is typed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

export type Labels = Readonly<Record<string, string>>;

export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels };
  /** Of any kind; see the accessors below. */
  readonly spec?: unknown;
  readonly data?: Labels;
}

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string | number };
  readonly grpc?: { readonly port: number; readonly service?: string };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly restartPolicy?: string;
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly envFrom?: readonly {
    readonly configMapRef?: { readonly name: string };
    readonly secretRef?: { readonly name: string };
  }[];
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly lifecycle?: {
    readonly preStop?: {
      readonly sleep?: { readonly seconds: number };
      readonly exec?: { readonly command: readonly string[] };
    };
  };
  readonly resources?: { readonly requests?: Labels; readonly limits?: Labels };
  readonly securityContext?: SecurityContext;
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
}

export interface SecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly fsGroup?: number;
  readonly privileged?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  readonly seccompProfile?: { readonly type: string };
}

export interface Volume {
  readonly name: string;
  readonly emptyDir?: { readonly sizeLimit?: string; readonly medium?: string };
  readonly secret?: { readonly secretName: string };
  readonly configMap?: { readonly name: string };
  readonly projected?: {
    readonly sources: readonly {
      readonly configMap?: { readonly name: string };
      readonly secret?: { readonly name: string };
    }[];
  };
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly securityContext?: SecurityContext;
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly topologySpreadConstraints?: readonly { readonly labelSelector: Selector }[];
}

export interface Selector {
  readonly matchLabels?: Labels;
}

/** A Deployment or StatefulSet. */
export interface Workload {
  readonly kind: string;
  readonly name: string;
  readonly replicas: number | undefined;
  readonly selector: Selector;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly pod: PodSpec;
  /** Requested size by name of the claim template. */
  readonly claims: Readonly<Record<string, string>>;
}

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'deploy', 'kubernetes', 'rendered');

/** Every rendering by its name, such as `prod+tls`. */
export const renderings = (): Record<string, Manifest[]> =>
  Object.fromEntries(
    readdirSync(FOLDER).map((file) => [file.replace(/\.yaml$/, ''), read(join(FOLDER, file))]),
  );

const read = (path: string): Manifest[] =>
  parseAllDocuments(readFileSync(path, 'utf8')).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS() as Manifest;
  });

export const ofKind = (manifests: readonly Manifest[], ...kinds: string[]): Manifest[] =>
  manifests.filter(({ kind }) => kinds.includes(kind));

export function workloads(manifests: readonly Manifest[]): Workload[] {
  return ofKind(manifests, 'Deployment', 'StatefulSet').map((manifest) => {
    const spec = manifest.spec as {
      replicas?: number;
      selector: Selector;
      template: { metadata: { labels: Labels; annotations?: Labels }; spec: PodSpec };
      volumeClaimTemplates?: {
        metadata: { name: string };
        spec: { resources: { requests: { storage: string } } };
      }[];
    };
    const claims = (spec.volumeClaimTemplates ?? []).map(
      ({ metadata, spec: claim }) => [metadata.name, claim.resources.requests.storage] as const,
    );
    return {
      kind: manifest.kind,
      name: manifest.metadata.name,
      replicas: spec.replicas,
      selector: spec.selector,
      labels: spec.template.metadata.labels,
      annotations: spec.template.metadata.annotations ?? {},
      pod: spec.template.spec,
      claims: Object.fromEntries(claims),
    };
  });
}

export const containersOf = ({ pod }: Workload): Container[] => [
  ...(pod.initContainers ?? []),
  ...pod.containers,
];

/** Whether a selector takes pods with these labels. An empty selector takes every pod. */
export const selects = ({ matchLabels = {} }: Selector, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([name, value]) => labels[name] === value);

/** One of our programs in a container. */
export interface Process {
  readonly program: 'service' | 'archiver';
  readonly workload: Workload;
  readonly container: Container;
  /** What its container's environment comes to. */
  readonly environment: Readonly<Record<string, string>>;
}

const PROGRAMS = {
  'dist/services/image-generation/main.js': 'service',
  'dist/sidecar/main.js': 'archiver',
} as const;

/** Our own processes among all containers. */
export const processes = (manifests: readonly Manifest[]): Process[] =>
  workloads(manifests).flatMap((workload) =>
    containersOf(workload).flatMap((container) => {
      const entry = container.args?.[0] ?? '';
      if (!(entry in PROGRAMS)) return [];
      const program = PROGRAMS[entry as keyof typeof PROGRAMS];
      return [{ program, workload, container, environment: environmentOf(container, manifests) }];
    }),
  );

/** As kubelet composes it: envFrom in order, then env. Values from Secrets stand as they would be written. */
function environmentOf(
  { env = [], envFrom = [] }: Container,
  manifests: readonly Manifest[],
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const { configMapRef, secretRef } of envFrom) {
    const [kind, name] = configMapRef ? ['ConfigMap', configMapRef.name] : ['Secret', secretRef?.name];
    const found = ofKind(manifests, kind ?? '').find(({ metadata }) => metadata.name === name);
    for (const [key, value] of Object.entries(found?.data ?? {})) {
      environment[key] = kind === 'Secret' ? Buffer.from(value, 'base64').toString() : value;
    }
  }
  for (const { name, value } of env) environment[name] = value ?? '';
  return environment;
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  m: 0.001,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/** A Kubernetes quantity as a number; NaN when there is none. */
export function quantity(text: string | undefined): number {
  const [, number, unit = ''] = /^([\d.]+)([a-zA-Z]*)$/.exec(text ?? '') ?? [];
  return Number(number ?? Number.NaN) * (UNITS[unit] ?? Number.NaN);
}

/** Every container of every pod, with words that find it. */
export const everyContainer = (
  manifests: readonly Manifest[],
): { readonly where: string; readonly workload: Workload; readonly container: Container }[] =>
  workloads(manifests).flatMap((workload) =>
    containersOf(workload).map((container) => ({
      where: `${workload.name}/${container.name}`,
      workload,
      container,
    })),
  );

/** A policy's findings: the empty list is the good one. */
export type Policy = (manifests: readonly Manifest[]) => string[];
