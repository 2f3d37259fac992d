// ajv.mjs VERDICT [SCHEMAS [SEED]] - random schemas and values, judged by VERDICT (tests/schema/verdict.c) and by ajv
// (npm: ajv, ajv-formats; found from the directory in NODE_MODULES). Prints what differs; exit 1 when something does.
// Without `contains` and `unevaluated…`: there ajv fails tests of the official suite that jobmill passes, and throws.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const require = createRequire(resolve(process.env.NODE_MODULES ?? '.') + '/');
const Ajv = require('ajv/dist/2020').default;
const addFormats = require('ajv-formats').default;
const [verdict, count = '20000', seed = String(Date.now() % 1e9)] = process.argv.slice(2);
const VALUES = 12, BATCH = 2000;

let state = Number(seed);
const random = () => { // mulberry32
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const some = (n, make) => Array.from({ length: below(n + 1) }, make);

const NAMES = ['a', 'b', 'ab', 'ba', 'é', '😀', 'a/b', 'c']; // ajv passes over '' in required
const STRINGS = ['', 'a', 'b', 'ab', 'aab', 'é', '😀', 'a b', '2024-02-29', '2023-02-29', '10:00:00Z', '1', 'a\n'];
const NUMBERS = [0, 1, 2, 3, -1, 0.5, 1.5, 10, 1e10, -2.5, 2.0];
const PATTERNS = ['a', '^a', 'b$', '^a*b?$', '^.$', '[^a]', '^\\p{L}+$', '\\d', '^(a|ab)(b|$)', '\\s', '^\\w*$', '(?=a)', 'a{2,}'];
const TYPES = ['null', 'boolean', 'object', 'array', 'number', 'string', 'integer'];

const scalar = () => pick([() => pick(STRINGS), () => pick(NUMBERS), () => pick(NUMBERS), () => true, () => false, () => null])();
const value = (depth) => {
  const kind = depth > 0 ? below(4) : 3;
  if (kind === 0) return some(4, () => value(depth - 1));
  if (kind <= 1) return Object.fromEntries(some(4, () => [pick(NAMES), value(depth - 1)]));
  return scalar();
};

const map = (names, n, make) => Object.fromEntries(some(n, () => [pick(names), make()]));
const names = () => [...new Set(some(3, () => pick(NAMES)))];
function schema(depth) {
  if (random() < 0.06) return random() < 0.6;
  if (depth <= 0) return leaf({});
  const out = {};
  const deeper = () => schema(depth - 1);
  const list = () => Array.from({ length: 1 + below(3) }, deeper);
  const rows = [
    () => leaf(out), () => leaf(out), () => leaf(out),
    () => (out.properties = map(NAMES, 3, deeper)),
    () => (out.patternProperties = map(PATTERNS, 2, deeper)),
    () => (out.additionalProperties = deeper()),
    () => (out.propertyNames = deeper()),
    () => (out.required = names()),
    () => (out.dependentRequired = map(NAMES, 2, names)),
    () => (out.dependentSchemas = map(NAMES, 2, deeper)),
    () => { out.minProperties = below(3); },
    () => { out.maxProperties = below(4); },
    () => (out.prefixItems = list()),
    () => (out.items = deeper()),
    () => { out.minItems = below(3); },
    () => { out.maxItems = below(4); },
    () => (out.uniqueItems = below(2) === 1),
    () => (out.allOf = list()),
    () => (out.anyOf = list()),
    () => (out.oneOf = list()),
    () => (out.not = deeper()),
    () => { out.if = deeper(); if (below(2)) out.then = deeper(); if (below(2)) out.else = deeper(); },
    () => (out.$ref = `#/$defs/${pick(['x', 'y'])}`),
  ];
  for (let i = 1 + below(3); i > 0; i--) pick(rows)();
  return out;
}
function leaf(out) {
  pick([
    () => (out.type = random() < 0.7 ? pick(TYPES) : [...new Set([pick(TYPES), pick(TYPES)])]),
    () => (out.const = value(1)),
    () => (out.enum = [value(1), value(0), scalar()].filter((v, i, all) => all.findIndex((w) => JSON.stringify(w) === JSON.stringify(v)) === i)),
    () => (out.minimum = pick(NUMBERS)),
    () => (out.maximum = pick(NUMBERS)),
    () => (out.exclusiveMinimum = pick(NUMBERS)),
    () => (out.exclusiveMaximum = pick(NUMBERS)),
    () => (out.multipleOf = pick([1, 2, 0.5, 3])),
    () => (out.minLength = below(4)),
    () => (out.maxLength = below(4)),
    () => (out.pattern = pick(PATTERNS)),
    () => (out.format = pick(['date', 'time', 'ipv4', 'uuid'])),
  ])();
  return out;
}

const ajv = new Ajv({ strict: false, allErrors: false, logger: false, validateSchema: false });
addFormats(ajv);
let cases = 0, thrown = 0, wrong = 0, skipped = 0, valid = 0;
for (let done = 0; done < Number(count); done += BATCH) {
  const lines = [];
  for (let i = 0; i < BATCH; i++) {
    const root = schema(3);
    const whole = root === true || root === false ? root : { ...root, $defs: { x: schema(1), y: schema(1) } };
    lines.push([whole, Array.from({ length: VALUES }, () => value(2))]);
  }
  const ran = spawnSync(verdict, { input: lines.map((l) => JSON.stringify(l) + '\n').join(''), maxBuffer: 1 << 28, encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${verdict} ended with ${ran.status} ${ran.signal}: ${ran.stderr}`);
  const answers = ran.stdout.split('\n');
  lines.forEach(([s, values], i) => {
    if (answers[i].startsWith('refused')) { // a circle of references: ajv would not end
      skipped++;
      if (!answers[i].includes('leads back to itself')) { wrong++; console.log('REFUSED', answers[i], JSON.stringify(s)); }
      return;
    }
    const judge = ajv.compile(s);
    values.forEach((v, k) => {
      let want;
      try {
        want = judge(v);
      } catch { // of ajv's own code
        thrown++;
        return;
      }
      cases++;
      valid += want;
      if ((answers[i][k] === '1') === want && answers[i][k] !== '?') return;
      wrong++;
      console.log('DIFFERS', JSON.stringify(s), JSON.stringify(v), 'ajv', want, 'jobmill', answers[i][k]);
    });
    ajv.removeSchema();
  });
}
console.log(`${cases} cases (${valid} valid), ${skipped} schemas skipped, ajv threw ${thrown} times, ${wrong} differ; seed ${seed}`);
process.exit(wrong ? 1 : 0);
