/** Pod Security "restricted", and a bit more, for every container; who may hold which login. */
import { everyContainer, type Manifest, ofKind, type Policy, processes, workloads } from './manifests.ts';

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root. */
export const containersAreRestricted: Policy = (manifests) =>
  everyContainer(manifests).flatMap(({ where, container: { securityContext: context = {} } }) => [
    ...fault(context.runAsNonRoot === true, `${where}: runAsNonRoot is not true`),
    ...fault(context.allowPrivilegeEscalation === false, `${where}: allowPrivilegeEscalation is not false`),
    ...fault(context.readOnlyRootFilesystem === true, `${where}: readOnlyRootFilesystem is not true`),
    ...fault(context.privileged !== true, `${where}: privileged`),
    ...fault(context.runAsUser !== 0, `${where}: runs as root`),
    ...fault(context.capabilities?.drop?.includes('ALL') === true, `${where}: capabilities are not dropped`),
    ...fault((context.capabilities?.add ?? []).length === 0, `${where}: capabilities are added`),
    ...fault(context.seccompProfile?.type === 'RuntimeDefault', `${where}: seccompProfile`),
  ]);

export const podsAreRestricted: Policy = (manifests) =>
  workloads(manifests).flatMap(({ name, pod }) => [
    ...fault(pod.securityContext?.runAsNonRoot === true, `${name}: the pod's runAsNonRoot is not true`),
    ...fault((pod.securityContext?.runAsUser ?? 0) > 0, `${name}: the pod has no user of its own`),
    ...fault(pod.securityContext?.seccompProfile?.type === 'RuntimeDefault', `${name}: seccompProfile`),
    ...fault(pod.automountServiceAccountToken === false, `${name}: gets a token for the Kubernetes API`),
    ...fault(pod.enableServiceLinks === false, `${name}: gets variables of every Service`),
    ...fault(!pod.hostNetwork && !pod.hostPID && !pod.hostIPC, `${name}: uses a namespace of the host`),
    ...(pod.volumes ?? []).flatMap((volume) =>
      fault(!('hostPath' in volume), `${name}: volume ${volume.name} is the host's`),
    ),
  ]);

export const namespaceEnforcesRestricted: Policy = (manifests) => {
  const namespaces = ofKind(manifests, 'Namespace');
  const enforced = namespaces.map(
    ({ metadata }) => metadata.labels?.['pod-security.kubernetes.io/enforce'] ?? '',
  );
  const names = new Set(
    manifests.map(({ kind, metadata }) => (kind === 'Namespace' ? metadata.name : metadata.namespace)),
  );
  return [
    ...fault(
      enforced.length === 1 && enforced[0] === 'restricted',
      'the namespace does not enforce "restricted"',
    ),
    ...fault(names.size === 1, `objects stand in several namespaces: ${[...names].join(', ')}`),
  ];
};

/** The service has no login for the bucket, by variable or by role. */
export const serviceHasNoBucketLogin: Policy = (manifests) =>
  processes(manifests)
    .filter(({ program }) => program === 'service')
    .flatMap(({ container, environment, workload }) => [
      ...Object.keys(environment)
        .filter((name) => name.startsWith('AWS_'))
        .map((name) => `${container.name}: has ${name}`),
      ...fault(
        (workload.annotations['eks.amazonaws.com/skip-containers'] ?? '').split(',').includes(container.name),
        `${container.name}: would be given the archiver's role`,
      ),
    ]);

/** Whatever is in git is no secret: production's are made by whoever keeps them. */
export const productionHasNoSecrets: Policy = (manifests) =>
  ofKind(manifests, 'Secret').map(({ metadata }) => `Secret ${metadata.name} is rendered`);

export const fault = (good: boolean, text: string): string[] => (good ? [] : [text]);

/** ConfigMaps and, outside production, Secrets that are referred to and not there. */
export const referencesExist =
  (kinds: readonly ('ConfigMap' | 'Secret')[]): Policy =>
  (manifests) => {
    const there = new Set(
      ofKind(manifests, ...kinds).map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    );
    return referencesOf(manifests)
      .filter((reference) => kinds.some((kind) => reference.startsWith(kind)))
      .filter((reference) => !there.has(reference))
      .map((reference) => `${reference} is referred to and not there`);
  };

/** `ConfigMap name` and `Secret name`, as pods refer to them. */
export function referencesOf(manifests: readonly Manifest[]): string[] {
  return [...JSON.stringify(workloads(manifests)).matchAll(REFERENCE)].map(([, key = '', fields = '']) => {
    const kind = key.startsWith('secret') ? 'Secret' : 'ConfigMap';
    return `${kind} ${/"(?:secretName|name)":"([^"]+)"/.exec(fields)?.[1] ?? ''}`;
  });
}

const REFERENCE = /"(configMapRef|secretRef|configMap|secret|secretKeyRef|configMapKeyRef)":(\{[^{}]*\})/g;
