// spec.js - api.yaml as operations: their parameters, bodies and answers, with every $ref of the outer layers followed.
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import YAML from 'yaml';

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

export function readSpec(file) {
  const doc = YAML.parse(readFileSync(file, 'utf8'));
  const ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'api', components: doc.components });

  const follow = (node) => {
    while (node?.$ref) node = node.$ref.slice(2).split('/').reduce((at, key) => at[key], doc);
    return node;
  };
  // a schema by itself, its references into the document
  const outward = (node) => {
    if (Array.isArray(node)) return node.map(outward);
    if (node === null || typeof node !== 'object') return node;
    return Object.fromEntries(Object.entries(node).map(([k, v]) => [k, k === '$ref' && typeof v === 'string' ? 'api' + v : outward(v)]));
  };
  const compiled = new Map();
  const validator = (schema) => {
    if (!compiled.has(schema)) compiled.set(schema, ajv.compile(outward(schema)));
    return compiled.get(schema);
  };

  const operations = [];
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const method of METHODS.filter((m) => item[m])) {
      const op = item[method];
      const responses = Object.fromEntries(Object.entries(op.responses).map(([status, r]) => [status, follow(r)]));
      const body = follow(op.requestBody);
      operations.push({
        id: op.operationId,
        method: method.toUpperCase(),
        path,
        parameters: [...(item.parameters ?? []), ...(op.parameters ?? [])].map(follow),
        body: body && { required: body.required, content: body.content },
        responses,
      });
    }
  }
  return { doc, follow, validator, operations };
}
