// values.js - what is sent: values that fit a schema of api.yaml, values that nearly do, and values that do not at all.
//
// `known` is what earlier answers told: ids, names, cursors. It grows while sequences run, so that they meet.
import fc from 'fast-check';

const ODD_STRINGS = ['', ' ', '\u0000', 'a\u0000b', '\ud800', '\u202e', '%00', '../..', 'null', 'é', '\uffff', 'x'.repeat(300), '-1', '1e400', '0x10', "' OR 1=1 --"];
const ODD_NUMBERS = [-1, 0, 0.5, -0, 1e400, -1e400, 2 ** 53, 2 ** 63, 1e-320, 4294967296, 1e21];
const odd = fc.constantFrom(...ODD_STRINGS, ...ODD_NUMBERS, null, true, false, [], {}, [[[]]], { a: { a: {} } });

export const anything = fc.oneof(odd, fc.jsonValue({ maxDepth: 3 }), fc.string({ unit: 'binary', maxLength: 40 }));

const soon = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();
const formats = {
  'date-time': () => fc.integer({ min: -5, max: 400 }).map((s) => soon(s)),
  uuid: () => fc.uuid({ version: 7 }),
  uri: () => fc.constantFrom('http://192.0.2.1/x', 'https://example.com/hook'),
};

function ofString(schema) {
  if (schema.format in formats) return formats[schema.format]();
  if (schema.pattern) return fc.stringMatching(new RegExp(schema.pattern)).filter((s) => s.length <= (schema.maxLength ?? 200));
  return fc.string({ minLength: schema.minLength ?? 0, maxLength: Math.min(schema.maxLength ?? 40, 60) });
}

function ofNumber(schema, whole) {
  const min = schema.minimum ?? (schema.exclusiveMinimum !== undefined ? schema.exclusiveMinimum + 0.001 : -1000);
  const max = schema.maximum ?? 1000;
  const edges = [min, max].map((v) => fc.constant(v));
  if (whole) return fc.oneof(...edges, fc.integer({ min: Math.ceil(min), max: Math.floor(Math.min(max, 2 ** 31)) }));
  return fc.oneof(...edges, fc.double({ min, max: Math.min(max, 1e9), noNaN: true }));
}

// An arbitrary of what fits. `special(name, schema)` may give one for a property of that name.
export function fits(spec, schema, special = () => null, depth = 0) {
  const again = (s) => fits(spec, s, special, depth + 1);
  schema = spec.follow(schema) ?? {};
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  for (const word of ['oneOf', 'anyOf']) if (schema[word]) return fc.oneof(...schema[word].map((s) => again({ ...schema, [word]: undefined, ...spec.follow(s) })));
  if (schema.allOf) return again(Object.assign({}, schema, { allOf: undefined }, ...schema.allOf.map((s) => spec.follow(s))));
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'object' || (!type && schema.properties)) {
    const required = schema.required ?? [];
    const fields = Object.entries(schema.properties ?? {}).map(([name, s]) => [name, special(name, s) ?? again(s)]);
    const keep = fields.filter(([name]) => depth < 4 || required.includes(name));
    return fc.record(Object.fromEntries(keep), { requiredKeys: required.filter((r) => r in (schema.properties ?? {})), noNullPrototype: true });
  }
  if (type === 'array') return fc.array(again(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: Math.min(schema.maxItems ?? 3, 3) });
  if (type === 'string') return ofString(schema);
  if (type === 'integer' || type === 'number') return ofNumber(schema, type === 'integer');
  if (type === 'boolean') return fc.boolean();
  if (type === 'null') return fc.constant(null);
  return fc.jsonValue({ maxDepth: 2 });
}

// A value with one thing wrong: a member replaced, removed or added, or the whole replaced.
export function spoilt(base) {
  return fc.tuple(base, fc.constantFrom('replace', 'remove', 'add', 'whole'), fc.nat(), anything, fc.string({ maxLength: 8 })).map(([value, how, at, other, name]) => {
    if (how === 'whole' || value === null || typeof value !== 'object') return other;
    const copy = Array.isArray(value) ? [...value] : { ...value };
    const keys = Object.keys(copy);
    if (how === 'add' || keys.length === 0) copy[Array.isArray(copy) ? copy.length : name || 'more'] = other;
    else if (how === 'remove') delete copy[keys[at % keys.length]];
    else copy[keys[at % keys.length]] = other;
    return copy;
  });
}

// Bodies that are no JSON, or JSON that nobody means.
export const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((b) => Buffer.from(b)),
  fc.constantFrom('', '{', '[]', '{"task":"noop"', '{"task":"noop"}x', '{"task":"noop","task":"echo"}', '\ufeff{"task":"noop"}', 'NaN', '{"task":"noop","input":1e999}', '{"task":"noop","input":"\\ud800"}',
    '{"task":"noop","input":' + '['.repeat(70) + ']'.repeat(70) + '}', '{"task":"\\u0000"}', '{"task":"noop","input":"\t"}').map((s) => Buffer.from(s)),
);
