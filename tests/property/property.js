// property.js JOBMILL API_YAML RUNS [SEED] - random requests, single and in sequences, made from api.yaml; every answer must be one that it allows.
//
// Checked of each answer: no 500; a status, a content type, required headers and a body as documented; a problem document where it is an error; nothing accepted that
// the schema forbids; nothing refused as unknown or unreadable that the schema allows; 405 with Allow for methods that are not there; 401 without
// a token where tokens are; 404 for what was deleted; what was created can be read. At the end the service lives and leaves with status 0.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { readSpec } from './spec.js';
import { anything, fits, garbage, spoilt } from './values.js';

const [binary, specFile, runs = '200', seedText] = process.argv.slice(2);
const seed = seedText ? Number(seedText) : (Date.now() ^ (process.pid << 8)) | 0;
const spec = readSpec(specFile);
const dir = mkdtempSync(join(tmpdir(), 'jobmill-property-'));
const counts = { requests: 0, byStatus: {}, valid: 0, validTaken: 0, refused: {} };

writeFileSync(join(dir, 'typed.json'), JSON.stringify({ type: 'object', properties: { n: { type: 'integer', minimum: 0 } }, required: ['n'], additionalProperties: false }));
const conf = `[server]\nmax_wait = 1s\n[task typed]\ncommand = /bin/cat\ninput_schema = ${join(dir, 'typed.json')}\n[task slow]\ncommand = /bin/sleep 5\ntimeout = 0.2\nmax_attempts = 1\n` +
  '[task far]\nkind = remote\n[task limited]\ncommand = /bin/true\nconcurrency = 1\nrate = 1000/s\n[pool other]\nworkers = 1\n';

// ---- the service ----

async function start(more) {
  const file = join(dir, 'conf');
  writeFileSync(file, conf + more, { mode: 0o600 });
  const service = spawn(binary, ['serve', '--config', file, '--listen', '127.0.0.1:0', '--data-dir', join(dir, 'data'), '--workers', '2'], { stdio: ['ignore', 'pipe', 'pipe'] });
  service.log = '';
  service.stderr.on('data', (t) => (service.log = (service.log + t).slice(-20000)));
  service.ended = new Promise((done) => service.on('exit', (code, signal) => done(signal ?? code)));
  const line = await Promise.race([new Promise((done) => service.stdout.once('data', (t) => done(String(t)))), service.ended.then(() => { throw new Error(`no start: ${service.log}`); })]);
  service.port = Number(line.trim().split(':').pop());
  return service;
}

async function stop(service) {
  service.kill('SIGTERM');
  const timer = setTimeout(() => service.kill('SIGKILL'), 60000);
  const status = await service.ended;
  clearTimeout(timer);
  if (status !== 0) throw new Error(`the service ended with ${status}:\n${service.log}`);
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });

function send(service, { method, target, headers, body }) {
  return new Promise((done, fail) => {
    const request = http.request({ agent, host: '127.0.0.1', port: service.port, method, path: target, headers, timeout: 30000 }, (answer) => {
      const parts = [];
      answer.on('data', (p) => parts.push(p));
      answer.on('end', () => done({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
      answer.on('error', fail);
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 30 s')));
    request.on('error', fail);
    request.end(body);
  });
}

// ---- what earlier answers told ----

const known = { job: [], group: [], lease: [], schedule: ['nightly'], cursor: [] };
const remember = (kind, value) => {
  if (!value) return;
  known[kind].push(value);
  if (known[kind].length > 30) known[kind].shift();
};
// an index into what is known when the request is made
const of = (kind, schema) => fc.oneof({ weight: 6, arbitrary: fc.nat(29).map((at) => ({ kind, at })) }, { weight: 1, arbitrary: fits(spec, schema) });
const settle = (value) => (value && typeof value === 'object' && value.kind in known ? known[value.kind][value.at % Math.max(known[value.kind].length, 1)] ?? '01900000-0000-7000-8000-000000000000' : value);

const task = fc.constantFrom('noop', 'echo', 'typed', 'slow', 'far', 'limited', 'noop', 'nosuch');
const path = {
  id: (op) => of(op.path.includes('groups') ? 'group' : op.path.includes('leases') ? 'lease' : 'job', { $ref: '#/components/schemas/Id' }),
  task: () => task,
  pool: () => fc.constantFrom('default', 'other', 'nosuch'),
  name: () => of('schedule', { $ref: '#/components/schemas/TaskName' }),
  file: () => fc.constantFrom('app.js', 'app.css', 'nosuch.js', 'x'),
};
const query = {
  wait: () => fc.constantFrom(0, 0.01, 0.05),
  follow: () => fc.constant('false'),
  task: () => task,
  group: () => of('group', { $ref: '#/components/schemas/Id' }),
  ids: () => fc.array(of('job', { $ref: '#/components/schemas/Id' }), { minLength: 1, maxLength: 4 }),
  after: () => of('cursor', { type: 'string' }),
  cursor: () => of('cursor', { type: 'string' }),
};
const special = (name) => (name === 'task' ? task : name === 'tasks' ? fc.constantFrom(['far'], ['far'], ['far'], ['far', 'noop'], ['nosuch']) : name === 'wait' ? fc.constantFrom(0, 0.02)
  : name === 'cron' ? fc.constantFrom('* * * * *', '@hourly', '30 3 * * 1-5', 'nonsense', '61 * * * *') : name === 'time_zone' ? fc.constantFrom('UTC', 'Europe/Berlin', 'Nowhere/No') : name === 'depends_on'
    ? fc.array(of('job', { $ref: '#/components/schemas/Id' }), { maxLength: 2 }) : null);

// ---- requests ----

const encode = (text) => Array.from(Buffer.from(String(text), 'utf8'), (b) => (/[A-Za-z0-9_.~-]/.test(String.fromCharCode(b)) ? String.fromCharCode(b) : '%' + b.toString(16).padStart(2, '0').toUpperCase())).join('');
const settleAll = (v) => (Array.isArray(v) ? v.map(settleAll) : v && typeof v === 'object' && !(v.kind in known) && !Buffer.isBuffer(v) ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, settleAll(x)])) : settle(v));
// JSON, but 1e400 and lone surrogates as such
const text = (v) => JSON.stringify(v, (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? 1e308 : x));

function parameter(op, p) {
  const good = (p.in === 'path' ? path[p.name]?.(op) : p.in === 'query' ? query[p.name]?.(op) : null) ?? fits(spec, p.schema);
  const value = fc.oneof({ weight: 5, arbitrary: good.map((v) => ({ v, fits: true })) }, { weight: 1, arbitrary: anything.map((v) => ({ v, fits: false })) });
  const there = p.in === 'path' ? fc.constant(true) : fc.integer({ min: 0, max: 3 }).map((n) => n === 3);
  return fc.tuple(value, there).map(([one, on]) => ({ ...p, ...one, on }));
}

function bodyOf(op) {
  if (!op.body) return fc.constant(null);
  const kinds = Object.entries(op.body.content).map(([type, { schema }]) => {
    if (type.includes('ndjson'))
      return fc.array(fc.oneof({ weight: 5, arbitrary: fits(spec, { $ref: '#/components/schemas/Submission' }, special) }, { weight: 1, arbitrary: anything }), { maxLength: 4 })
        .map((lines) => ({ lines, type, schema: null }));
    const plain = !type.includes('json');
    const good = plain ? fc.uint8Array({ maxLength: 100 }).map((b) => Buffer.from(b)) : fits(spec, schema, special);
    if (plain) return good.map((v) => ({ v, type: 'application/octet-stream', schema: null }));
    return fc.oneof({ weight: 6, arbitrary: good.map((v) => ({ v, type, schema })) }, { weight: 3, arbitrary: spoilt(good).map((v) => ({ v, type, schema })) },
      { weight: 1, arbitrary: garbage.map((v) => ({ v, type, schema: null })) });
  });
  return fc.oneof(...kinds);
}

function requestOf(op) {
  const parameters = op.parameters.filter((p) => p.in !== 'header' || !/^(range|if-|accept)/i.test(p.name) || op.method === 'GET');
  return fc.record({ op: fc.constant(op), parameters: fc.tuple(...parameters.map((p) => parameter(op, p))), body: bodyOf(op), stray: fc.integer({ min: 0, max: 30 }) });
}

function render({ op, parameters, body, stray }) {
  let target = op.path, good = true;
  const search = [], headers = {};
  for (const p of parameters) {
    if (!p.on) continue;
    const v = settleAll(p.v);
    if (!p.fits) good = false;
    if (p.in === 'path') target = target.replace(`{${p.name}}`, encode(typeof v === 'object' ? text(v) : v) || '%20');
    else if (p.in === 'query') search.push(`${p.name}=${encode(Array.isArray(v) ? v.join(',') : typeof v === 'object' ? text(v) : v)}`);
    else headers[p.name] = String(typeof v === 'object' ? text(v) : v).replace(/[^\x21-\x7e]/g, '_') || '_';
  }
  if (stray === 30) { search.push('surprise=1'); good = false; }
  const made = { method: op.method, target: target + (search.length ? '?' + search.join('&') : ''), headers, good, op, params: parameters.filter((p) => p.on) };
  if (body) {
    const v = body.lines ? Buffer.from(settleAll(body.lines).map(text).join('\n')) : Buffer.isBuffer(body.v) ? body.v : settleAll(body.v);
    made.body = Buffer.isBuffer(v) ? v : Buffer.from(text(v) ?? 'null');
    headers['Content-Type'] = body.type;
    headers['Content-Length'] = made.body.length;
    made.json = body.schema && v;
    made.schemaFits = body.schema ? spec.validator(body.schema)(JSON.parse(made.body)) : null;
  } else if (op.method === 'POST') {
    headers['Content-Length'] = 0;
  }
  return made;
}

const shown = (r) => `${r.method} ${r.target} ${text(r.headers)} ${r.body ? r.body.toString('utf8').slice(0, 600) : ''}`;

// ---- what an answer must be ----

const UNEXPECTED = new Set(['unknown_field', 'unknown_parameter', 'bad_json', 'missing_field']);

function checkAnswer(r, a) {
  const wrong = (what) => { throw new Error(`${what}\n  ${shown(r)}\n  ${a.status} ${text(a.headers)}\n  ${a.body.toString('utf8').slice(0, 600)}`); };
  counts.requests++;
  counts.byStatus[a.status] = (counts.byStatus[a.status] ?? 0) + 1;
  if (a.status === 500) wrong('an internal error');
  const documented = r.op.responses[a.status];
  if (!documented) wrong(`${r.op.id} does not document ${a.status}`);
  if (!a.headers['x-request-id']) wrong('no X-Request-Id');
  for (const [name, h] of Object.entries(documented.headers ?? {})) if (spec.follow(h).required && a.headers[name.toLowerCase()] === undefined) wrong(`no ${name}`);
  const content = documented.content;
  const type = (a.headers['content-type'] ?? '').toLowerCase();
  if (!content && a.body.length > 0) wrong('a body where none is documented');
  if (content && a.status !== 304) {
    const match = Object.keys(content).find((t) => t === '*/*' || t.toLowerCase() === type) ?? Object.keys(content).find((t) => t.split(';')[0].toLowerCase() === type.split(';')[0]);
    if (!match) wrong(`the content type ${type} is not documented`);
    if (match.includes('json') && !match.includes('ndjson')) {
      const valid = spec.validator(content[match].schema ?? {});
      a.json = JSON.parse(a.body);
      if (!valid(a.json)) wrong(`the body does not fit its schema: ${text(valid.errors.slice(0, 2))}`);
    }
  }
  if (a.status >= 400 && !type.startsWith('application/problem+json')) wrong('an error that is no problem document');
  if (a.status >= 400 && (a.json.status !== a.status || !a.json.code)) wrong('a problem document of another status, or without a code');
  if ((a.status === 503 || a.status === 429 || a.status === 507) && !a.headers['retry-after']) wrong('no Retry-After');
  if (r.schemaFits === false && a.status < 300) wrong(`taken, though the schema forbids it: ${text(spec.validator(r.op.body.content['application/json'].schema).errors)}`);
  if (r.good && r.schemaFits === true) {
    counts.valid++;
    counts.validTaken += a.status < 300;
    if (a.status >= 300) counts.refused[`${r.op.id} ${a.json?.code}`] = (counts.refused[`${r.op.id} ${a.json?.code}`] ?? 0) + 1;
    const unsaid = /\\u0000|\\ud[89a-f]/i.test(r.body.toString()); // JSON, but no text that is taken: the contract says so in words
    if (UNEXPECTED.has(a.json?.code) && !unsaid) wrong('refused, though the schema allows it');
  }
}

function learn(r, a) {
  if (a.status >= 300 || !a.json) return;
  const j = a.json;
  if (/Job$|submitRaw/.test(r.op.id) && j.id) remember('job', j.id);
  if (r.op.id === 'submitBatch') remember('group', j.id);
  if (r.op.id === 'takeLeases') for (const l of j.leases ?? []) remember('lease', l.lease ?? l.id);
  if (r.op.id === 'putSchedule') remember('schedule', j.name);
  if (j.next) remember('cursor', new URL(j.next, 'http://x').searchParams.get('after') ?? new URL(j.next, 'http://x').searchParams.get('cursor'));
  for (const one of Array.isArray(j.jobs) ? j.jobs : []) if (one.id) remember('job', one.id);
}

async function step(service, made) {
  const r = render(made);
  const a = await send(service, r);
  checkAnswer(r, a);
  learn(r, a);
  const follow = async (method, target, want, why) => {
    const again = await send(service, { method, target, headers: {} });
    if (!want.includes(again.status)) throw new Error(`${why}: ${method} ${target} answered ${again.status}\n  after ${shown(r)} ${a.status}\n  ${again.body}`);
  };
  if (r.op.id === 'deleteJob' && a.status < 300) await follow('GET', r.target.split('?')[0], [404], 'deleted, and still there');
  if (r.op.id === 'deleteSchedule' && a.status < 300) await follow('GET', r.target.split('?')[0], [404], 'deleted, and still there');
  if (a.headers.location && a.status < 300 && a.status !== 204) await follow('GET', a.headers.location, [200], 'created, and not there');
  if (a.headers.etag && r.method === 'GET' && a.status === 200 && /^\/v1\/jobs\/[^/]*$/.test(r.target) && ['succeeded', 'failed', 'cancelled'].includes(a.json?.state)) {
    let tag = a.headers.etag, same;
    for (let i = 0; i < 10 && same?.status !== 304; i++) { // what becomes of its callback may change it
      same = await send(service, { method: 'GET', target: r.target, headers: { 'If-None-Match': tag } });
      if (same.status !== 304 && (same.status !== 200 || same.headers.etag === tag)) break;
      tag = same.headers.etag ?? tag;
    }
    if (same.status !== 304) throw new Error(`If-None-Match: ${same.status} ${shown(r)}`);
  }
}

async function methods(service) {
  for (const where of new Set(spec.operations.map((o) => o.path))) {
    const target = where.replace('{file}', 'x').replace(/\{[a-z]+\}/g, '01900000-0000-7000-8000-000000000000');
    const shape = (o) => new RegExp(`^${o.path.replace(/[.]/g, '[.]').replace(/\{[a-z]+\}/g, '[^/]+')}$`);
    const there = spec.operations.filter((o) => shape(o).test(target)).map((o) => o.method); // a name may also be an {id}
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'FROB'].filter((m) => !there.includes(m))) {
      const a = await send(service, { method, target, headers: { 'Content-Length': 0 } });
      if (a.status !== 405 || !there.every((m) => a.headers.allow?.includes(m))) throw new Error(`${method} ${target}: ${a.status}, Allow: ${a.headers.allow}`);
    }
    const options = await send(service, { method: 'OPTIONS', target, headers: {} });
    if (options.status >= 300 || !there.every((m) => options.headers.allow?.includes(m))) throw new Error(`OPTIONS ${target}: ${options.status}, Allow: ${options.headers.allow}`);
  }
}

async function strangers(service) {
  for (const op of spec.operations) {
    const target = op.path.replace('{file}', 'x').replace(/\{[a-z]+\}/g, '01900000-0000-7000-8000-000000000000');
    const open = /^\/(healthz|readyz|api\.yaml|docs.*|assets.*)?$/.test(op.path);
    for (const headers of [{}, { Authorization: 'Bearer jm_wrong' }, { Authorization: 'Basic eDp5' }]) {
      const a = await send(service, { method: op.method, target, headers: { ...headers, ...(op.method === 'POST' ? { 'Content-Length': 0 } : {}) } });
      if (open ? a.status === 401 : a.status !== 401) throw new Error(`${op.method} ${target} with ${text(headers)}: ${a.status}`);
      if (!open && !a.headers['www-authenticate']) throw new Error(`${op.method} ${target}: 401 without WWW-Authenticate`);
    }
  }
}

// ---- the run ----

let failed = false;
let service = await start('');
try {
  await methods(service);
  const sequence = fc.array(fc.oneof(...spec.operations.map((op) => ({ weight: /submit|take/.test(op.id) ? 4 : 1, arbitrary: requestOf(op) }))), { minLength: 1, maxLength: 15 });
  const found = await fc.check(fc.asyncProperty(sequence, async (steps) => { for (const s of steps) await step(service, s); }), { numRuns: Number(runs), seed });
  if (found.failed) throw new Error(`${found.errorInstance?.message ?? found.errorInstance}\nthe least sequence (run ${found.numRuns}, path ${found.counterexamplePath}):\n${found.counterexample[0].map((s) => `  ${shown(render(s))}`).join('\n')}`);
  const alive = await send(service, { method: 'GET', target: '/readyz', headers: {} });
  if (alive.status !== 200) throw new Error(`/readyz answered ${alive.status}`);
  await stop(service);
  service = await start(`[token one]\nhash = sha256:${'ab'.repeat(32)}\nscopes = admin\n`);
  await strangers(service);
  await stop(service);
} catch (error) {
  failed = true;
  console.log(`FAIL ${error.message ?? error}\n${service.log.split('\n').filter((l) => l.includes('"error"')).slice(-5).join('\n')}`);
  service.kill('SIGKILL');
}
agent.destroy();
rmSync(dir, { recursive: true, force: true });
console.log(`property: ${counts.requests} requests from seed ${seed}: ${failed ? 'FAILED' : 'all as api.yaml says'}; ${text(counts.byStatus)}; of ${counts.valid} that fit ${counts.validTaken} were taken`);
if (process.env.VERBOSE) console.log('refused of those that fit:', counts.refused);
process.exit(failed ? 1 : 0);
