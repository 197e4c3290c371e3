/**
 * Strict schema check of rendered/ with kubeconform: unknown fields, wrong types and missing required fields are
 * errors. The schemas are Kubernetes' own OpenAPI document and the Prometheus Operator's custom resources, both as
 * their Go modules carry them. Needs Go; without it one SKIPPED line.
 *
 *   node deploy/kubernetes/validate.mjs
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { goModuleFolder, goTool } from './go-tool.mjs';

const KUBECONFORM = 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0';
const KUBERNETES = 'k8s.io/kubernetes@v1.33.6';
const PROMETHEUS_OPERATOR = 'github.com/prometheus-operator/prometheus-operator@v0.85.0';
const here = import.meta.dirname;

/** Kubernetes' definitions as one JSON schema file, and a file that points into it per kind, for kubeconform to find. */
function writeKubernetesSchemas(folder, openApi) {
  const { definitions } = JSON.parse(readFileSync(openApi, 'utf8'));
  const strict = Object.fromEntries(
    Object.entries(definitions).map(([name, it]) => [name, strictly(it, name)]),
  );
  writeFileSync(join(folder, '_definitions.json'), JSON.stringify({ definitions: strict }));
  for (const [name, { 'x-kubernetes-group-version-kind': kinds = [] }] of Object.entries(definitions)) {
    if (kinds.length !== 1) continue;
    const [{ group, version, kind }] = kinds;
    writeFileSync(
      schemaFile(folder, group, version, kind),
      `{"$ref":"_definitions.json#/definitions/${name}"}`,
    );
  }
}

/** As kubeconform names them: {{.ResourceKind}}{{.KindSuffix}}, the suffix being the first part of the group. */
const schemaFile = (folder, group, version, kind) =>
  join(folder, `${[kind, group.split('.')[0], version].filter(Boolean).join('-')}.json`.toLowerCase());

function writeCustomResourceSchemas(folder, definitionFile) {
  const { spec } = parse(readFileSync(definitionFile, 'utf8'));
  for (const { name, schema } of spec.versions) {
    const file = schemaFile(folder, spec.group, name, spec.names.kind);
    writeFileSync(file, JSON.stringify(strictly(schema.openAPIV3Schema, spec.names.kind)));
  }
}

/** Kubernetes writes these as strings or numbers, which its OpenAPI document says in prose only. */
const EITHER = [
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  'io.k8s.apimachinery.pkg.api.resource.Quantity',
];

/** The same schema, which refuses properties that it does not know, at any depth. */
function strictly(schema, name = '') {
  if (EITHER.includes(name) || schema['x-kubernetes-int-or-string'])
    return { type: ['string', 'integer', 'number'] };
  if (schema.$ref) return { $ref: schema.$ref.replace('#/', '_definitions.json#/') };
  const strict = { ...schema };
  // Formats such as int32 and date-time say nothing that matters here, and `default`s are not for documents.
  delete strict.format;
  delete strict.default;
  if (schema.properties) {
    strict.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([property, it]) => [property, strictly(it)]),
    );
    strict.additionalProperties ??= schema['x-kubernetes-preserve-unknown-fields'] === true;
  }
  if (schema.items) strict.items = strictly(schema.items);
  if (typeof schema.additionalProperties === 'object') {
    strict.additionalProperties = strictly(schema.additionalProperties);
  }
  return strict;
}

/** Whole output of kubeconform, and whether it found nothing wrong. */
function check(kubeconform, schemas, files) {
  const location = `${schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`;
  try {
    const args = ['-strict', '-summary', '-schema-location', location, ...files];
    return { good: true, output: execFileSync(kubeconform, args, { encoding: 'utf8' }) };
  } catch (error) {
    return { good: false, output: `${error.stdout}${error.stderr}` };
  }
}

/** What the check itself is worth: it must find these, each put into a good document. */
/** @type {readonly { what: string, spoil: (text: string) => string }[]} */
const FAULTS = [
  {
    what: 'an unknown field',
    spoil: (text) => text.replace('readOnlyRootFilesystem:', 'readOnlyRootFileSystem:'),
  },
  { what: 'a wrong type', spoil: (text) => text.replace('containerPort: 50051', 'containerPort: "50051"') },
  {
    what: 'a missing field',
    spoil: (text) => text.replace(/\n {2}selector:\n {4}matchLabels:\n(?: {6}.*\n)+(?= {2}strategy:)/, '\n'),
  },
];

function main() {
  const kubeconform = goTool('kubeconform', KUBECONFORM);
  const [kubernetes, operator] = [KUBERNETES, PROMETHEUS_OPERATOR].map(goModuleFolder);
  if (kubeconform === undefined || kubernetes === undefined || operator === undefined) {
    console.log('SKIPPED strict schema check of deploy/kubernetes: no Go 1.24 or later on this machine');
    return 0;
  }
  const schemas = mkdtempSync(join(here, '.schemas-'));
  try {
    writeKubernetesSchemas(schemas, join(kubernetes, 'api/openapi-spec/swagger.json'));
    const custom = join(operator, 'example/prometheus-operator-crd');
    for (const kind of ['podmonitors', 'prometheusrules']) {
      writeCustomResourceSchemas(schemas, join(custom, `monitoring.coreos.com_${kind}.yaml`));
    }
    const rendered = readdirSync(join(here, 'rendered')).map((file) => join(here, 'rendered', file));
    const { good, output } = check(kubeconform, schemas, rendered);
    console.log(output.trim());
    return good && findsFaults(kubeconform, schemas) ? 0 : 1;
  } finally {
    rmSync(schemas, { recursive: true, force: true });
  }
}

function findsFaults(kubeconform, schemas) {
  const folder = join(schemas, 'faulty');
  mkdirSync(folder);
  const prod = readFileSync(join(here, 'rendered', 'prod.yaml'), 'utf8');
  return FAULTS.every(({ what, spoil }, index) => {
    const file = join(folder, `${index}.yaml`);
    const spoilt = spoil(prod);
    writeFileSync(file, spoilt);
    const found = spoilt !== prod && !check(kubeconform, schemas, [file]).good;
    if (!found) console.log(`the schema check does not find ${what}`);
    return found;
  });
}

process.exitCode = main();
