/** Starting, probing, scaling and stopping. */
import { readConfig } from './configuration.ts';
import {
  type Container,
  everyContainer,
  ofKind,
  type Policy,
  type Probe,
  type Process,
  processes,
  quantity,
  selects,
  workloads,
} from './manifests.ts';
import { fault } from './security.ts';
import { AFTER_CALLS_MS, ARCHIVER_STOP_MS } from './stop-times.ts';

/** Longest time that a program takes to stop, from its code and configuration, s. */
function stopSeconds(process: Process): number {
  const config = readConfig(process);
  const stopMs = config.program === 'service' ? config.stopCallsMs + AFTER_CALLS_MS : ARCHIVER_STOP_MS;
  return stopMs / 1_000;
}

/** kubelet's own work, and processes that end a little late, s. */
const RESERVE_SECONDS = 5;

/** The grace period holds all that happens one after the other: the sleep, the service's stop, the sidecar's. */
export const gracePeriodSuffices: Policy = (manifests) =>
  workloads(manifests).flatMap(({ name, pod }) => {
    const ours = processes(manifests).filter(({ workload }) => workload.name === name);
    if (ours.length === 0) return [];
    const needed = ours
      .map((process) => stopSeconds(process) + sleepSeconds(process.container))
      .reduce((sum, seconds) => sum + seconds, RESERVE_SECONDS);
    const grace = pod.terminationGracePeriodSeconds ?? 30;
    return fault(grace >= needed, `${name}: ${grace} s of grace, ${needed} s are needed`);
  });

function sleepSeconds({ lifecycle }: Container): number {
  const { sleep, exec } = lifecycle?.preStop ?? {};
  return sleep?.seconds ?? Number(/(\d+)\)$/.exec(exec?.command.at(-1) ?? '')?.[1] ?? 0) / 1_000;
}

/** Pods leave their Services before they stop taking calls. */
export const serviceSleepsFirst: Policy = (manifests) =>
  processes(manifests)
    .filter(({ program }) => program === 'service')
    .flatMap(({ container }) =>
      fault(sleepSeconds(container) >= 5, `${container.name}: no sleep before the stop`),
    );

export const probesOf = ({ startupProbe, readinessProbe, livenessProbe }: Container): Probe[] =>
  [startupProbe, readinessProbe, livenessProbe].filter((probe) => probe !== undefined);

export const probesPointAtOwnPorts: Policy = (manifests) =>
  everyContainer(manifests).flatMap(({ where, container }) => [
    ...fault(container.startupProbe !== undefined, `${where}: no startup probe`),
    ...fault(container.livenessProbe !== undefined, `${where}: no liveness probe`),
    ...probesOf(container).flatMap(({ httpGet, grpc }) => {
      const port = httpGet?.port ?? grpc?.port;
      const known = container.ports?.some(({ name, containerPort }) =>
        [name, containerPort].includes(port ?? ''),
      );
      return fault(known === true, `${where}: a probe at port ${port}, which is not its own`);
    }),
  ]);

/** What NATS, S3 or an engine do must neither restart a process nor, by the sidecar, take the service away. */
export const probesDoNotDependOnOthers: Policy = (manifests) =>
  processes(manifests).flatMap(({ container, workload }) => {
    const liveness = container.livenessProbe?.httpGet?.path ?? container.livenessProbe?.grpc?.service;
    const withService = processes(manifests).some(
      ({ program, workload: other }) => program === 'service' && other.name === workload.name,
    );
    const isArchiver = container.name === 'archiver';
    return [
      ...fault(
        liveness === '/healthz' || liveness === 'liveness',
        `${container.name}: liveness is ${liveness}`,
      ),
      ...fault(
        !(isArchiver && withService) ||
          (container.readinessProbe === undefined && container.startupProbe?.httpGet?.path === '/healthz'),
        `${container.name}: without NATS the pod would not start or serve`,
      ),
      ...fault(
        isArchiver || container.readinessProbe !== undefined,
        `${container.name}: gets calls before it is ready`,
      ),
    ];
  });

/** kubelet's gRPC probe speaks no TLS. */
export const probesSpeakTheProtocol: Policy = (manifests) =>
  processes(manifests)
    .filter(({ environment }) => environment['TLS_CERT_FILE'] !== undefined)
    .flatMap(({ container }) =>
      fault(
        probesOf(container).every(({ grpc }) => grpc === undefined),
        `${container.name}: gRPC probes with TLS`,
      ),
    );

/** Native sidecars start before and stop after the service; as a plain init container it would be waited for. */
export const archiverIsSidecar: Policy = (manifests) =>
  workloads(manifests).flatMap(({ name, pod }) =>
    (pod.initContainers ?? []).flatMap((container) =>
      fault(
        container.restartPolicy === 'Always',
        `${name}/${container.name}: an init container that never ends`,
      ),
    ),
  );

export const autoscalerFits: Policy = (manifests) =>
  ofKind(manifests, 'HorizontalPodAutoscaler').flatMap((manifest) => {
    const { scaleTargetRef, metrics, minReplicas, maxReplicas } = manifest.spec as {
      scaleTargetRef: { kind: string; name: string };
      minReplicas: number;
      maxReplicas: number;
      metrics: { containerResource?: { container: string; name: string } }[];
    };
    const target = workloads(manifests).find(
      ({ kind, name }) => kind === scaleTargetRef.kind && name === scaleTargetRef.name,
    );
    if (target === undefined)
      return [`autoscaler: there is no ${scaleTargetRef.kind} ${scaleTargetRef.name}`];
    return [
      ...fault(target.replicas === undefined, 'autoscaler: each apply would reset its replicas'),
      ...fault(minReplicas >= 2 && maxReplicas > minReplicas, 'autoscaler: bounds'),
      ...metrics.flatMap(({ containerResource }) => {
        const container = target.pod.containers.find(({ name }) => name === containerResource?.container);
        return fault(
          quantity(container?.resources?.requests?.[containerResource?.name ?? '']) > 0,
          `autoscaler: ${containerResource?.container} has no request to compare with`,
        );
      }),
    ];
  });

/** In production a drain takes one pod at a time. */
export const disruptionIsBudgeted: Policy = (manifests) =>
  workloads(manifests).flatMap(({ name, labels }) => {
    const budgets = ofKind(manifests, 'PodDisruptionBudget')
      .map(
        (manifest) => manifest.spec as { selector: Parameters<typeof selects>[0]; maxUnavailable?: number },
      )
      .filter(({ selector }) => selects(selector, labels));
    return fault(
      budgets.length === 1 && budgets[0]?.maxUnavailable === 1,
      `${name}: not one disruption budget`,
    );
  });
