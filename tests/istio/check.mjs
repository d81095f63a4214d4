// Checks resources as an API server would that refuses unknown fields (`kubectl apply --validate=strict`):
//
//     node check.mjs NODE_MODULES FILE...
//
// Prints a line for each resource, `FILE KIND NAME: ok`, or one for each of its problems. The schemas are those of the
// npm packages @kubernetes-models/istio (made from Istio's CRDs) and kubernetes-models. Rules in CEL are not in them.

import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const modules = resolve(process.argv[2]);
const load = (path) => import(pathToFileURL(`${modules}/${path}`));
const { parseAllDocuments } = (await load("yaml/dist/index.js")).default;

// Beside `wasm`, in a TrafficExtension. The packages do not have this kind yet. It is a WasmPlugin whose fields about the
// module are one level deeper (istio/api, extensions/v1alpha1/traffic_extension.proto), and is checked as one.
const BESIDE_WASM = ["selector", "targetRefs", "phase", "priority", "match"];
// Free in form: the CRD says x-kubernetes-preserve-unknown-fields.
const FREE = ["/spec/pluginConfig"];

for (const file of process.argv.slice(3)) {
  for (const document of parseAllDocuments(readFileSync(file, "utf8"))) {
    const resource = document.toJS();
    const problems = [...document.errors.map(String), ...(await check(resource))];
    const title = `${basename(file)} ${resource.kind} ${resource.metadata?.name}`;
    for (const problem of problems.length ? problems : ["ok"]) console.log(`${title}: ${problem}`);
  }
}

async function check(resource) {
  if (resource.kind !== "TrafficExtension") return checkAs(await schema(resource), resource);
  const { wasm = {}, ...rest } = resource.spec;
  const misplaced = [
    ...Object.keys(rest).filter((field) => !BESIDE_WASM.includes(field)).map((field) => `/spec/${field}`),
    ...Object.keys(wasm).filter((field) => BESIDE_WASM.includes(field)).map((field) => `/spec/wasm/${field}`),
  ];
  const plugin = { ...resource, kind: "WasmPlugin", spec: { ...rest, ...wasm } };
  return [
    ...misplaced.map((path) => `${path} is unknown`),
    ...checkAs(await schema(plugin), plugin),
  ];
}

// The compiled check of a kind: a function with `errors`, as ajv makes it.
async function schema({ apiVersion, kind }) {
  const [version, group = "core"] = apiVersion.split("/").reverse();
  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  const name = group.split(".").map(capital).join("") + capital(version) + kind;
  const path = group.endsWith(".istio.io")
    ? `@kubernetes-models/istio/_schemas/${name}.js`
    : `kubernetes-models/_schemas/IoK8sApi${name.replace("K8sIo", "")}.js`;
  return (await load(path).catch(() => ({}))).validate;
}

function checkAs(validate, resource) {
  if (!validate) return [`there is no ${resource.kind} in ${resource.apiVersion}`];
  const seen = new Set();
  const valid = validate(watched(resource, "", seen));
  const errors = (valid ? [] : validate.errors).map(
    ({ instancePath, keyword, params }) => `${instancePath} ${keyword} ${JSON.stringify(params)}`,
  );
  const unknown = [...fields(resource, "")].filter((path) => !seen.has(path));
  return [...errors, ...unknown.map((path) => `${path} is unknown`)];
}

// A check looks at each field that its schema names and at no other: so what it does not look at is unknown to it.
function watched(value, path, seen) {
  if (typeof value !== "object" || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const below = `${path}/${String(key)}`;
      seen.add(below);
      return watched(target[key], below, seen);
    },
  });
}

function* fields(value, path) {
  if (typeof value !== "object" || value === null || FREE.includes(path)) return;
  for (const [key, member] of Object.entries(value)) {
    yield `${path}/${key}`;
    yield* fields(member, `${path}/${key}`);
  }
}
