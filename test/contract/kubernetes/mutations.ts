/** What somebody might do to the manifests, by the policy that has to see it: changes of their JSON text. */

export type Mutation = readonly [rendering: string, what: string, from: string | RegExp, to: string];

export const MUTATIONS: Readonly<Record<string, readonly Mutation[]>> = {
  'every container is restricted': [
    ['prod', 'a writable root', '"readOnlyRootFilesystem":true', '"readOnlyRootFilesystem":false'],
    ['prod', 'no word on escalation', '"allowPrivilegeEscalation":false,', ''],
    ['prod', 'all capabilities', '"capabilities":{"drop":["ALL"]},', ''],
    ['prod', 'an added capability', '"drop":["ALL"]', '"drop":["ALL"],"add":["NET_ADMIN"]'],
    [
      'prod',
      'no seccomp profile',
      '"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}',
      '"runAsNonRoot":true',
    ],
    [
      'dev',
      'a privileged container',
      '"readOnlyRootFilesystem":true',
      '"readOnlyRootFilesystem":true,"privileged":true',
    ],
  ],
  'every pod is restricted': [
    ['prod', 'root as user', '"runAsUser":65532', '"runAsUser":0'],
    ['prod', 'an API token', '"automountServiceAccountToken":false,"containers"', '"containers"'],
    ['prod', 'variables of Services', '"enableServiceLinks":false', '"enableServiceLinks":true'],
    ['prod', 'a folder of the host', '"emptyDir":{"sizeLimit":"64Mi"}', '"hostPath":{"path":"/"}'],
    [
      'prod',
      "the host's network",
      '"enableServiceLinks":false',
      '"enableServiceLinks":false,"hostNetwork":true',
    ],
  ],
  'the namespace enforces "restricted"': [
    ['prod', 'a lax namespace', '"pod-security.kubernetes.io/enforce":"restricted"', '"x":"y"'],
    ['prod', 'an object elsewhere', '"namespace":"sekai-image"', '"namespace":"default"'],
  ],
  'the service has no login for the bucket': [
    ['prod', "the archiver's role", '"eks.amazonaws.com/skip-containers":"service",', ''],
    [
      'dev',
      "the archiver's keys",
      '"name":"NODE_OPTIONS","value":"--max-old-space-size=512"',
      '"name":"AWS_ACCESS_KEY_ID","value":"x"',
    ],
  ],
  'ConfigMaps that pods refer to are there': [
    ['prod', 'another name', /"name":"sekai-image-shared-\w+"\}\}/, '"name":"gone"}}'],
  ],
  'Secrets that pods refer to are there': [
    ['dev', 'another name', /"secretName":"sekai-image-nats-service-\w+"/, '"secretName":"gone"'],
  ],
  'variables are known to the configuration': [
    ['prod', 'a misspelt one', '"NATS_REPLICAS"', '"NATS_REPLIKAS"'],
    ['prod', "one of the other program's", '"SPOOL_MAX_BYTES"', '"ARCHIVER_CONCURRENCY"'],
  ],
  'required variables are set': [
    ['prod', 'no NATS_URL', '"NATS_URL":"nats://nats.nats.svc.cluster.local:4222",', ''],
    ['prod', 'no SPOOL_DIR', '"SPOOL_DIR":"/var/lib/sekai/spool"', '"x":"y"'],
  ],
  'the programs start with their variables': [
    ['prod', 'a faulty value', '"NATS_REPLICAS":"3"', '"NATS_REPLICAS":"many"'],
    ['prod+tls', 'half of TLS', '"TLS_KEY_FILE"', '"X"'],
  ],
  'files that variables name are mounted': [
    ['prod+tls', 'another folder', '"mountPath":"/etc/sekai/tls"', '"mountPath":"/etc/tls"'],
    [
      'prod+tls',
      'a writable mount',
      '"mountPath":"/etc/sekai/tls","name":"tls","readOnly":true',
      '"mountPath":"/etc/sekai/tls","name":"tls"',
    ],
  ],
  'the spool fits its volume': [
    ['prod', 'a small volume', '"sizeLimit":"1280Mi"', '"sizeLimit":"512Mi"'],
    ['prod', 'a volume in memory', '"sizeLimit":"1280Mi"', '"sizeLimit":"1280Mi","medium":"Memory"'],
    ['prod+spool-on-a-volume', 'a small claim', '"storage":"2Gi"', '"storage":"1Gi"'],
    ['prod', 'another folder', '"mountPath":"/var/lib/sekai/spool"', '"mountPath":"/spool"'],
  ],
  'ports are those that the programs listen on': [
    ['prod', 'another gRPC port', '"containerPort":50051', '"containerPort":50052'],
    ['prod', 'another admin port', '"containerPort":9465', '"containerPort":9466'],
    ['prod', 'a program that listens elsewhere', '"SPOOL_DIR"', '"GRPC_LISTEN":"0.0.0.0:1","SPOOL_DIR"'],
  ],
  'Services reach ports': [
    ['prod', 'another port', '"port":50051,"targetPort"', '"port":80,"targetPort"'],
    ['prod', 'another name', '"targetPort":"grpc"', '"targetPort":"rpc"'],
  ],
  'there is a Service and a headless one': [['prod', 'two of a kind', '"clusterIP":"None",', '']],
  'protocols fit TLS': [
    [
      'prod+tls',
      'cleartext all the same',
      '"name":"grpc","port":50051',
      '"appProtocol":"kubernetes.io/h2c","name":"grpc","port":50051',
    ],
  ],
  'selectors select': [
    [
      'prod',
      'a Service of nothing',
      '"selector":{"app.kubernetes.io/component":"image-service"',
      '"selector":{"app.kubernetes.io/component":"other"',
    ],
    [
      'prod',
      'a policy of nothing',
      '"podSelector":{"matchLabels":{"app.kubernetes.io/component":"image-service"',
      '"podSelector":{"matchLabels":{"app.kubernetes.io/component":"other"',
    ],
    [
      'prod+standalone-archiver',
      'pods of others',
      '"labels":{"app.kubernetes.io/component":"archiver"',
      '"labels":{"app.kubernetes.io/component":"image-service"',
    ],
  ],
  'NetworkPolicies let pass what is needed and nothing else': [
    ['prod', 'metrics not let in', '{"port":9465}', '{"port":9466}'],
    ['prod', 'NATS not let out', '{"port":4222}', '{"port":4223}'],
    ['prod', 'S3 not let out', '[{"port":443}]', '[{"port":80}]'],
    ['prod', 'one more port let in', '[{"port":50051}]', '[{"port":50051},{"port":22}]'],
    ['prod', 'a rule for everybody', '"to":[{"ipBlock"', '"nobody":[{"ipBlock"'],
    ['prod', 'no word on egress', '"policyTypes":["Ingress","Egress"]', '"policyTypes":["Ingress"]'],
    ['prod', 'no policy', '"NetworkPolicy"', '"Gone"'],
  ],
  'PodMonitors find their ports': [
    [
      'prod+monitoring',
      'another name',
      '"path":"/metrics","port":"archiver-admin"',
      '"path":"/metrics","port":"x"',
    ],
    ['prod+monitoring', 'another path', '"path":"/metrics"', '"path":"/"'],
  ],
  'the grace period suffices': [
    ['prod', 'less', '"terminationGracePeriodSeconds":95', '"terminationGracePeriodSeconds":60'],
    ['prod', "Kubernetes' default", '"terminationGracePeriodSeconds":95,', ''],
    ['prod', 'more time for calls', '"SPOOL_DIR"', '"STOP_CALLS_SECONDS":"120","SPOOL_DIR"'],
    ['prod', 'a long sleep', '"sleep":{"seconds":5}', '"sleep":{"seconds":30}'],
  ],
  'the service sleeps before it stops': [
    ['prod', 'no sleep', '"lifecycle":{"preStop":{"sleep":{"seconds":5}}},', ''],
    ['prod+containers-before-1.29', 'a nap', 'setTimeout(() => {}, 5000)', 'setTimeout(() => {}, 50)'],
  ],
  'probes point at own ports': [
    ['prod', 'a port of nobody', '"grpc":{"port":50051', '"grpc":{"port":50052'],
    [
      'prod',
      "another container's",
      '"path":"/healthz","port":"archiver-admin"',
      '"path":"/healthz","port":"admin"',
    ],
  ],
  'probes do not depend on others': [
    ['prod', 'a liveness that is a readiness', '"service":"liveness"', '"service":"readiness"'],
    [
      'prod',
      'a sidecar that is not ready without NATS',
      '"name":"archiver",',
      '"name":"archiver","readinessProbe":{"httpGet":{"path":"/readyz","port":"archiver-admin"}},',
    ],
    ['prod', 'no readiness', '"readinessProbe"', '"x"'],
  ],
  'probes speak the protocol': [
    ['prod+tls', 'gRPC with TLS', '"httpGet":{"path":"/readyz","port":"admin"}', '"grpc":{"port":50051}'],
  ],
  'the archiver is a native sidecar': [['prod', 'a plain init container', '"restartPolicy":"Always",', '']],
  'the autoscaler fits its target': [
    [
      'prod',
      'a target that is not there',
      /("scaleTargetRef":\{[^}]*"kind":)"Deployment"/,
      '$1"StatefulSet"',
    ],
    ['prod', 'a container that is not there', '"container":"service"', '"container":"server"'],
    ['prod', 'replicas of its own', '"revisionHistoryLimit":5', '"revisionHistoryLimit":5,"replicas":3'],
  ],
  'resources are set': [
    ['prod', 'no memory limit', '"memory":"1536Mi"', '"x":"1536Mi"'],
    ['prod', 'no CPU request', '"cpu":"1"', '"x":"1"'],
    ['prod', 'a CPU limit', '"memory":"1536Mi"', '"memory":"1536Mi","cpu":"1"'],
  ],
  'memory suffices': [
    ['prod', 'less', '"memory":"1536Mi"', '"memory":"1Gi"'],
    [
      'prod',
      'more bytes to deliver',
      '"DELIVERY_MAX_BYTES":"536870912"',
      '"DELIVERY_MAX_BYTES":"5368709120"',
    ],
    [
      'prod',
      'more bytes in flight',
      '"ARCHIVER_MAX_BYTES_IN_FLIGHT":"67108864"',
      '"ARCHIVER_MAX_BYTES_IN_FLIGHT":"671088640"',
    ],
    ['prod', 'a large heap', 'max-old-space-size=512', 'max-old-space-size=1400'],
  ],
  'disk suffices': [
    ['prod', 'an unbounded volume', '"emptyDir":{"sizeLimit":"64Mi"}', '"emptyDir":{}'],
    ['prod', 'less', '"ephemeral-storage":"2Gi"', '"ephemeral-storage":"1Gi"'],
  ],
  'images are pinned by their digest': [['prod', 'a tag', /@sha256:0{64}/, ':1.0.0']],
  'images have tags': [
    ['dev', 'the latest', ':dev"', ':latest"'],
    ['dev', 'none', ':dev"', '"'],
  ],
  'no Secret is rendered': [['prod', 'one', '"kind":"ConfigMap"', '"kind":"Secret"']],
  'disruption is budgeted': [
    ['prod', 'no budget', '"PodDisruptionBudget"', '"Gone"'],
    ['prod', 'more at once', '"maxUnavailable":1,', '"maxUnavailable":2,'],
  ],
};
