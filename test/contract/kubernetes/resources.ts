/** Images, memory, disk. */
import { everyContainer, type Policy, processes, quantity } from './manifests.ts';
import { fault } from './security.ts';

const MB = 1e6;

export const resourcesAreSet: Policy = (manifests) =>
  everyContainer(manifests).flatMap(({ where, container: { resources = {} } }) => {
    const { requests = {}, limits = {} } = resources;
    return [
      ...['cpu', 'memory', 'ephemeral-storage'].flatMap((name) =>
        fault(quantity(requests[name]) > 0, `${where}: no request of ${name}`),
      ),
      ...['memory', 'ephemeral-storage'].flatMap((name) =>
        fault(quantity(limits[name]) >= quantity(requests[name]), `${where}: no limit of ${name}`),
      ),
      ...fault(limits['cpu'] === undefined, `${where}: a CPU limit stops the event loop`),
    ];
  });

/** The README's memory budgets: 450 MB + 1.5 × DELIVERY_MAX_BYTES, and 150 MB + ARCHIVER_MAX_BYTES_IN_FLIGHT. */
export const memorySuffices: Policy = (manifests) =>
  processes(manifests).flatMap(({ program, container, environment }) => {
    const needed =
      program === 'service'
        ? 450 * MB + 1.5 * Number(environment['DELIVERY_MAX_BYTES'])
        : 150 * MB + Number(environment['ARCHIVER_MAX_BYTES_IN_FLIGHT']);
    const limit = quantity(container.resources?.limits?.['memory']);
    const heap = Number(/max-old-space-size=(\d+)/.exec(environment['NODE_OPTIONS'] ?? '')?.[1]) * 2 ** 20;
    return [
      ...fault(limit >= needed, `${container.name}: ${limit} bytes of memory, ${needed} are needed`),
      // Images live outside the heap.
      ...fault(heap <= 0.6 * limit, `${container.name}: a heap of ${heap} in ${limit} bytes`),
    ];
  });

/** A container is evicted when its writable volumes together fill its own limit first. */
export const diskSuffices: Policy = (manifests) =>
  everyContainer(manifests).flatMap(({ where, workload, container }) => {
    const mounted = new Set(container.volumeMounts?.map(({ name }) => name));
    const volumes = (workload.pod.volumes ?? []).filter(
      ({ name, emptyDir }) => emptyDir && mounted.has(name),
    );
    const sizes = volumes.map(({ emptyDir }) => quantity(emptyDir?.sizeLimit));
    const limit = quantity(container.resources?.limits?.['ephemeral-storage']);
    return [
      ...fault(!sizes.some(Number.isNaN), `${where}: a volume without sizeLimit`),
      ...fault(
        sizes.reduce((sum, size) => sum + size, 0) <= limit,
        `${where}: its volumes may hold more than its limit`,
      ),
    ];
  });

export const imagesArePinned: Policy = (manifests) =>
  everyContainer(manifests).flatMap(({ where, container: { image } }) =>
    fault(/@sha256:[0-9a-f]{64}$/.test(image), `${where}: ${image} is not pinned by its digest`),
  );

export const imagesHaveTags: Policy = (manifests) =>
  everyContainer(manifests).flatMap(({ where, container: { image } }) =>
    fault(/:[\w.-]+$/.test(image) && !image.endsWith(':latest'), `${where}: ${image} has no tag`),
  );
