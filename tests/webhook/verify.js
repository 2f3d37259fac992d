// verify.js JOBMILL [CALLS] - the signatures of calls, as the Standard Webhooks library of others sees them.
//
// A service with one secret, then with two while one replaces the other: each call is verified by the library with each secret that is in
// use, and refused with another one, with a changed body, id or time, and when it is played again later.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';

const [binary, calls = '1000'] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'jobmill-webhook-'));
const secret = (bytes) => `whsec_${randomBytes(bytes).toString('base64')}`;
const [old, young, other] = [secret(24), secret(64), secret(32)];

const received = [];
let wanted = 0, enough = () => {};
const receiver = http.createServer((request, answer) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    received.push({ headers: request.headers, body: Buffer.concat(parts).toString('utf8') });
    answer.writeHead(204).end();
    if (received.length >= wanted) enough();
  });
});
await new Promise((done) => receiver.listen(0, '127.0.0.1', done));
const hook = `http://127.0.0.1:${receiver.address().port}/hook`;

function refuses(what, attempt) {
  try {
    attempt();
  } catch {
    return;
  }
  throw new Error(`verified with ${what}`);
}

function check({ headers, body }, secrets) {
  if (headers['webhook-signature'].split(' ').length !== secrets.length) throw new Error(`${secrets.length} secrets: ${headers['webhook-signature']}`);
  for (const one of secrets) {
    const event = new Webhook(one).verify(body, headers);
    if (event.specversion !== '1.0' || event.id !== headers['webhook-id'] || !/^dev\.jobmill\.(job\.|group\.done)/.test(event.type)) throw new Error(body);
    refuses('a changed body', () => new Webhook(one).verify(body + ' ', headers));
    refuses('another id', () => new Webhook(one).verify(body, { ...headers, 'webhook-id': 'x' }));
    refuses('another time', () => new Webhook(one).verify(body, { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) }));
    refuses('an old time', () => new Webhook(one).verify(body, { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) - 3600) }));
  }
  refuses('a secret that is not in use', () => new Webhook(other).verify(body, headers));
}

async function run(secrets, n) {
  const file = join(dir, 'secret'), conf = join(dir, 'conf');
  writeFileSync(file, secrets.join('\n') + '\n', { mode: 0o600 });
  writeFileSync(conf, `[server]\nwebhook_secret_file = ${file}\nwebhook_allow = 127.0.0.1\n`, { mode: 0o600 });
  const service = spawn(binary, ['serve', '--config', conf, '--listen', '127.0.0.1:0', '--data-dir', join(dir, 'data'), '--workers', '2'], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, JOBMILL_LOG_LEVEL: 'error' } });
  const ended = new Promise((done) => service.on('exit', (code, signal) => done(signal ?? code)));
  const line = await Promise.race([new Promise((done) => service.stdout.once('data', (text) => done(String(text)))), ended.then(() => { throw new Error('no start'); })]);
  try {
    received.length = 0;
    wanted = n + 1; // and the group's own
    const all = new Promise((done, fail) => {
      enough = done;
      setTimeout(() => fail(new Error(`${received.length} calls of ${wanted} came`)), 240000).unref();
    });
    // inputs with everything that could be signed in another form than it is sent
    const texts = ['', 'plain', '\u00e4\u20ac\ud83d\ude00', '\\u0000"\\/', ' \t ', 'x'.repeat(5000)];
    const jobs = Array.from({ length: n }, (_, i) => ({ task: 'echo', input: { i, text: texts[i % texts.length] }, callback_url: hook }));
    const answer = await fetch(`${line.trim().replace('listening on ', '')}/v1/jobs/batch`, { method: 'POST', body: JSON.stringify({ jobs, callback_url: hook }) });
    if (answer.status !== 202) throw new Error(await answer.text());
    await all;
    received.forEach((call) => check(call, secrets));
    if (new Set(received.map((call) => call.headers['webhook-id'])).size !== wanted) throw new Error('an id came twice');
  } finally {
    service.kill('SIGTERM');
    const status = await ended;
    if (status !== 0) process.exitCode = 1;
  }
}

try {
  const n = Math.max(1, Math.floor(Number(calls) / 2));
  await run([old], n);
  await run([old, young], n);
  console.log(`webhooks: ${2 * (n + 1)} calls verified by the library standardwebhooks, with one secret and with two; none with a changed body, id or time, or another secret`);
} finally {
  receiver.close();
  rmSync(dir, { recursive: true, force: true });
}
