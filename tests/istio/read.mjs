// Prints the resources of a YAML file as a JSON array: `node read.mjs NODE_MODULES FILE`.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, file] = process.argv.slice(2);
const yaml = await import(pathToFileURL(`${resolve(modules)}/yaml/dist/index.js`));
const resources = yaml.default.parseAllDocuments(readFileSync(file, "utf8"));
console.log(JSON.stringify(resources.map((resource) => resource.toJS())));
