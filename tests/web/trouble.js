// trouble.js JOBMILL CHROMIUM - the dashboard where things go wrong or stand still, and with what must not be
// changed on its way through it.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { curl, some, submission } from './again.js';
import { UNKNOWN, ahead, narrow } from './clock.js';
import { add, read } from './jsontext.js';
import { allowed, axe, browse, check, client, dir, run, serve } from './kit.js';

// what needs no browser: JSON as the text that it is
const BIG = '12345678901234567891'; // no double
const thrown = (f) => {
  try {
    return f() && '';
  } catch (e) {
    return e.message;
  }
};
const odd = read(` {"b" : [ 1.0,-0, "}\\"]", [] ], "2":${BIG}, "1":{"x":null} , "1":true} `);
check(JSON.stringify(odd.entries.map(([name, { text }]) => [name, text])) === JSON.stringify([['b', '[ 1.0,-0, "}\\"]", [] ]'], ['2', BIG], ['1', '{"x":null}'], ['1', 'true']]), 'members in their order, as they came');
check(odd.open === '{' && odd.entries[0][1].entries.map(([, { text }]) => text).join(' ') === '1.0 -0 "}\\"]" []' && read(' 7 ').text === '7', 'the parts of an array');
check(read('['.repeat(2000) + ']'.repeat(2000)).open === '[' && read(JSON.stringify('\\"'.repeat(1 << 20))).text.length > 1 << 22, 'deep and long');
check(['', '{', '1 2', '{"a":1}}'].every((text) => thrown(() => read(text)).startsWith('This is not JSON')), 'what is no JSON');
check(add({}, 'i', ` ${BIG} `) === `{"i": ${BIG} }` && add({ a: 1 }, 'i', '[]') === '{"a":1,"i":[]}' && thrown(() => add({}, 'i', '1,"x":2')) !== '', 'a member as it is, and one at that');
check(submission('t', BIG, some({ priority: 0, timeout: 1.5, tags: ['x'], owner: 'y' })).join(' ') === `/v1/jobs {"task":"t","timeout":1.5,"tags":["x"],"input":${BIG}}`, 'a submission');
check(submission('t', BIG, some({ tags: ['x', 'y z'], parameters: { a: '&' } })).join(' ') === `/v1/tasks/t/jobs?tag=x&tag=y+z&a=%26 ${BIG}`, 'one of bytes as they are');
check(curl({ id: 'j', task: 't', input_size: 3 }, '"\'"', (p) => `at${p}`, true) === `curl -H "Authorization: Bearer $JOBMILL_TOKEN" 'at/v1/jobs' -d '{"task":"t","input":"'\\''"}'`, 'quotes for a shell');

// and clocks: of a service that is 5.3 s ahead, of one that is right, and of one that was set in between
const answers = [0, 700, 1500, 4100].map((t) => [Math.floor((t + 5310) / 1000) * 1000, t, t + 20]); // its Date, sent, answered
const off = ahead(answers.reduce((known, [date, sent, got]) => narrow(known, date, sent, got), UNKNOWN));
check(Math.abs(off - 5300) < 500, `5.3 s ahead: ${off}`);
check(ahead(UNKNOWN) === 0 && ahead(narrow(UNKNOWN, 5000, 5900, 5950)) === 0 && ahead(narrow(narrow(UNKNOWN, 5000, 5900, 5950), 3605000, 6000, 6010)) > 3598000, 'clocks that agree, one that was set');

writeFileSync(join(dir, 'form.json'), JSON.stringify({
  type: 'object', required: ['id', 'name', 'sure'],
  properties: { id: { type: 'integer', minimum: 5 }, name: { type: 'string' }, kind: { enum: [1, 2, 'three'] }, sure: { type: 'boolean' } },
}));
writeFileSync(join(dir, 'conf'), `[server]
stopped_timeout = 0
[task form]
command = cat
input_schema = form.json
[task bytes]
command = /bin/sh -c 'printf "%s " "$1"; exec cat' sh {input.word}
input = raw
result = application/octet-stream
[task far]
kind = remote
[task talk]
command = /bin/sh -c 'n=0; while :; do n=$((n+1)); echo "line $n." >&2; sleep 0.1; done'
`);
const { base } = await serve('data', '--config', join(dir, 'conf'), '--workers', '2');
const api = client(base);
allowed.bases = [base];
const page = await browse();

/** What the service is made to answer: a problem. */
const refuse = (status, detail) => (route) => route.fulfill({ status, contentType: 'application/problem+json', body: JSON.stringify({ status, title: 'No', detail }) });
const hidden = (locator) => locator.waitFor({ state: 'hidden' });
const answered = (path, status = 200) => page.waitForResponse((r) => r.url().slice(base.length) === path && r.status() === status);

/** While a pool is paused its queue is as it was, and /v1/stats too: what else changes is asked for even so. */
async function stuck() {
  await api('POST', '/v1/pools/default/pause');
  const waiting = await api('POST', '/v1/jobs', { task: 'noop' });
  await page.goto(`${base}/#/`);
  await page.getByText(/^the oldest for/).waitFor();
  for (let i = 0; i < 6; i++) await answered('/v1/stats', 304); // longer than what follows from a change is asked for
  const said = await page.getByText(/^the oldest for/).textContent();
  await page.waitForFunction((old) => !document.body.textContent.includes(old), said);
  await api('POST', '/v1/pools/default/resume');
  await api('GET', `/v1/jobs/${waiting.id}?wait=60`);
}

/** Nor do the figures change while a worker elsewhere has a job. */
async function remote() {
  await api('POST', '/v1/jobs', { task: 'far', input: null });
  const { leases: [lease] } = await api('POST', '/v1/leases', { tasks: ['far'], wait: 30, duration: 3600 });
  await page.goto(`${base}/#/`);
  const row = page.locator('tbody tr', { hasText: 'far' });
  await row.getByText('running').waitFor();
  for (let i = 0; i < 6; i++) await answered('/v1/stats', 304);
  for (const path of ['/v1/jobs?limit=10', '/v1/workers', '/metrics']) await page.waitForResponse((r) => r.url() === base + path);
  await api('POST', `/v1/leases/${lease.id}/complete`, 'null');
  await row.getByText('succeeded').waitFor();
}

/** What fails is told beside what was there, with its time; what does not answer, by a banner too. */
async function failures() {
  allowed.trouble = true;
  const banner = page.getByText('What you see is old');
  await page.goto(`${base}/#/`);
  await page.locator('tbody tr', { hasText: 'noop' }).first().waitFor();
  await page.route('**/v1/stats', refuse(503, 'too much to do'));
  await page.getByText('The service answered 503').waitFor();
  await page.getByText('too much to do').waitFor();
  await page.getByText(/^What is shown is as of .*\d:\d\d/).waitFor();
  await banner.waitFor();
  check((await page.locator('tbody tr', { hasText: 'noop' }).count()) > 0, 'what was there stays');
  await axe(page, 'a failure');
  await page.unroute('**/v1/stats');
  await hidden(page.getByText('The service answered 503'));
  await hidden(banner);
  await page.goto(`${base}/#/jobs`);
  await page.locator('tbody tr', { hasText: 'noop' }).first().waitFor();
  await page.route('**/v1/jobs?*', refuse(429, 'not so fast'));
  await page.getByText('The service answered 429').waitFor();
  await page.getByText(/^What is shown is as of .*\d:\d\d/).waitFor();
  check(!(await banner.isVisible()), 'a service that refuses is there');
  await page.unroute('**/v1/jobs?*');
  await hidden(page.getByText('The service answered 429'));

  // an answer that never comes, with less patience
  const tab = await browse();
  await tab.addInitScript(() => {
    const limit = AbortSignal.timeout.bind(AbortSignal);
    AbortSignal.timeout = (ms) => limit(ms / 10);
  });
  await tab.goto(`${base}/#/jobs`);
  await tab.locator('tbody tr', { hasText: 'noop' }).first().waitFor();
  await tab.route('**/v1/jobs?*', () => {});
  await tab.getByText('There was no answer within 20 s.').waitFor();
  await tab.getByText('What you see is old').waitFor();
  await tab.context().close();
  allowed.trouble = false;
}

const bytesOf = async (job, what, at = base, headers = {}) => Buffer.from(await (await fetch(`${at}/v1/jobs/${job.id}/${what}`, { headers })).arrayBuffer());
const newest = async () => (await api('GET', '/v1/jobs?limit=1')).jobs[0];

/** Submits the form of a task, and waits for the page of the job: what its input is, byte for byte. */
async function submitted(form) {
  await form.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL(/#\/jobs\/0/);
  return String(await bytesOf({ id: page.url().split('/').at(-1) }, 'input'));
}

/** Numbers that no double is, the order of members, white space: all is shown, copied and submitted anew as it came. */
async function asItCame() {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const input = `{ "z" : 1.0,\n"id":${BIG}, "2":"\\u00e9" }`;
  const job = await api('POST', '/v1/jobs?wait=60', `{"task":"echo","priority":3,"input":${input}}`);
  await page.goto(`${base}/#/jobs/${job.id}`);
  await page.waitForFunction((big) => [...document.querySelectorAll('.payload')].filter((p) => p.textContent.includes(big)).length === 2, BIG); // result and input
  const copied = page.getByRole('button', { name: 'Copied' }).waitFor(); // it is said for two seconds only
  await page.getByRole('button', { name: 'Copy the input' }).click();
  await copied;
  check((await page.evaluate(() => navigator.clipboard.readText())) === input, 'the copy is as it came');
  await page.getByRole('link', { name: 'Submit a changed one' }).click();
  const form = page.locator('.task').first();
  await form.getByText(/with its priority/).waitFor();
  check((await submitted(form)) === input, 'submitted anew as it came');
  check((await newest()).priority === 3, 'with its priority');

  const fields = `{"kind":1, "more":${BIG}, "id":${BIG}, "name":"x", "sure":true}`;
  const formed = await api('POST', '/v1/jobs?wait=60', `{"task":"form","input":${fields}}`);
  const changed = async () => {
    await page.goto(`${base}/#/tasks?task=form&from=${formed.id}`);
    const form = page.locator('.task').first();
    await form.getByLabel('name').waitFor();
    return form;
  };
  check((await submitted(await changed())) === fields, 'fields that nobody changed');
  const other = await changed();
  check((await other.getByLabel('id').inputValue()) === BIG, 'its digits in a field');
  await other.getByLabel('kind').selectOption('2');
  await other.getByLabel('name').fill('y');
  check((await submitted(other)) === `{"kind":2,"more":${BIG},"id":${BIG},"name":"y","sure":true}`, 'a choice is sent as the schema has it, the rest as it came');
  const less = await changed();
  await less.getByLabel('kind').selectOption('');
  await less.getByLabel('sure').uncheck();
  check((await submitted(less)) === `{"more":${BIG},"id":${BIG},"name":"x","sure":false}`, 'no choice is no member');
}

/** Forms are forms: the browser says what is wrong with a field, and Enter sends. */
async function forms() {
  await page.goto(`${base}/#/tasks?task=form`);
  const form = page.locator('.task').first();
  await form.getByText('Submit a job').click();
  const before = (await newest()).id;
  const invalid = (name) => form.getByLabel(name).evaluate((e) => !e.validity.valid && document.activeElement === e);
  await form.getByRole('button', { name: 'Submit' }).click();
  check(await invalid('id'), 'what is required');
  await form.getByLabel('id').fill('4');
  await form.getByLabel('name').fill('Enter');
  await page.keyboard.press('Enter');
  check(await invalid('id'), 'what is too little');
  check((await newest()).id === before, 'neither is sent');
  await form.getByLabel('id').fill('7');
  await form.getByLabel('name').press('Enter');
  await page.waitForURL(/#\/jobs\/0/);
  check(String(await bytesOf(await newest(), 'input')) === '{"id":7,"name":"Enter","sure":false}', 'by Enter, and a box that is not checked is false');

  await page.goto(`${base}/#/schedules`);
  await page.getByText('Make a schedule').click();
  await page.getByLabel('Name').fill('Not so');
  await page.getByLabel('Task', { exact: true }).selectOption('echo');
  await page.getByRole('button', { name: 'Make', exact: true }).click();
  check(await page.getByLabel('Name').evaluate((e) => e.validity.patternMismatch), 'a name that is none');
  await page.getByLabel('Input, as JSON').fill('[1,');
  await page.getByLabel('Name').fill('exact');
  await page.getByLabel('Name').press('Enter');
  await page.getByText('This is not JSON').waitFor();
  await page.getByLabel('Input, as JSON').fill(BIG);
  await page.getByLabel('Name').press('Enter');
  await page.getByText('runs echo').waitFor();
  check((await (await fetch(`${base}/v1/schedules/exact`)).text()).includes(BIG), 'the input of a schedule as it was typed');

  await page.goto(`${base}/#/tasks?task=form&from=01a206c8-f273-7000-ad49-4339769eceb6`);
  await page.getByText('There is no job …4339769eceb6 any more').waitFor();
  await axe(page, 'a job that is gone');
  allowed.trouble = true;
  await page.route('**/v1/tasks/echo', refuse(500, 'out of order'));
  await page.goto(`${base}/#/tasks?task=echo`);
  await page.locator('.task').first().getByText('Submit a job').click();
  await page.getByText('out of order').waitFor();
  await page.unroute('**/v1/tasks/echo');
  allowed.trouble = false;
}

/** The command on a job's page, run by a shell: it makes a job like it. */
async function again(tab, at, job, token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  await tab.goto(`${at}/#/jobs/${job.id}`);
  const line = tab.locator('section', { hasText: 'The same by curl' }).locator('pre');
  await line.waitFor();
  const made = JSON.parse(execFileSync('/bin/sh', ['-c', (await line.textContent()).replaceAll('curl ', 'curl -sS ')], { cwd: dir, env: { ...process.env, JOBMILL_TOKEN: token }, encoding: 'utf8' }));
  check(made.id && made.id !== job.id, `curl of ${job.task}: ${JSON.stringify(made)}`);
  const [a, b] = await Promise.all([job, made].map(async (j) => client(at)('GET', `/v1/jobs/${j.id}?wait=60`, undefined, headers)));
  const told = ({ task, priority, timeout, max_attempts, tags, concurrency_key, backoff, callback_url, parameters, input_type, input_size }) =>
    JSON.stringify({ task, priority, timeout, max_attempts, tags, concurrency_key, backoff, callback_url, parameters, input_type, input_size });
  check(told(a) === told(b), `curl of ${job.task}: ${told(a)} and ${told(b)}`);
  check((await bytesOf(a, 'input', at, headers)).equals(await bytesOf(b, 'input', at, headers)), `curl of ${job.task}: the input`);
}

async function byCurl() {
  const carried = { priority: -3, timeout: 1.5, max_attempts: 2, tags: ["it's", 'a b&c'], concurrency_key: 'k', callback_url: 'http://localhost:9/hook?a=b&c' };
  const backoff = { kind: 'fixed', delay: 2 };
  const submit = (input, more) => api('POST', '/v1/jobs?wait=60', add({ task: 'echo', ...more }, 'input', input));
  const raw = async (task, query, type, body) => (await fetch(`${base}/v1/tasks/${task}/jobs?wait=60&${query}`, { method: 'POST', body, headers: { 'Content-Type': type } })).json();
  const binary = Buffer.from([0, 255, 39, 10, 13, 64]);
  for (const job of [
    await submit(`{"it's":${BIG}, "x" : "$HOME \`id\` \\\\ !"}`, { ...carried, backoff }),
    await submit(JSON.stringify("'".repeat(29000)), {}),
    await submit(`[${BIG}, "${'x'.repeat(200000)}"]`, { ...carried, backoff }),
    await raw('bytes', "word=it's%20%26&tag=a&tag=b&priority=2&callback_url=http://localhost:9/", 'application/x-thing; a="b"', binary),
    await raw('bytes', 'word=w', 'application/json', ` ${BIG}`),
    await raw('bytes', 'word=', 'text/plain', ''),
  ]) await again(page, base, job, '');

  // one with parameters, changed
  const job = await raw('bytes', 'word=w', 'application/json', ` ${BIG}`);
  await page.goto(`${base}/#/tasks?task=bytes&from=${job.id}`);
  const form = page.locator('.task').first();
  await form.getByText(/parameters/).waitFor();
  check((await submitted(form)) === ` ${BIG}` && (await newest()).parameters.word === 'w', 'with its parameters');
}

/** A log goes on after a request that failed, stands while news are not asked for, and is not asked for where there is none. */
async function log() {
  allowed.trouble = true;
  const job = await api('POST', '/v1/jobs', { task: 'talk', input: null });
  const line = () => page.locator('pre.log').textContent().then((text) => Number(/line (\d+)\.\s*$/.exec(text)?.[1]));
  const further = (n) => page.waitForFunction((old) => Number(/line (\d+)\.\s*$/.exec(document.querySelector('pre.log').textContent)?.[1]) > old, n);
  await page.goto(`${base}/#/jobs/${job.id}`);
  await page.locator('pre.log').waitFor();
  await page.route('**/logs?*', refuse(500, 'the log is locked'));
  await page.getByText('the log is locked').waitFor();
  const stood = await line();
  await page.unroute('**/logs?*');
  await further(stood);
  await hidden(page.getByText('the log is locked'));
  const longer = async (n) => {
    for (let now = 0; now < n; ) now = Number(/line (\d+)\.\s*$/.exec(await bytesOf(job, 'logs?tail=1'))?.[1]) || 0;
  };
  const last = page.waitForResponse((r) => r.url().includes('/logs?')); // it is asked for once more by that
  await page.getByRole('button', { name: 'Live' }).click();
  await page.getByText('Paused').waitFor();
  await last;
  await longer((await line()) + 30); // and is shown
  const paused = await line();
  await longer(paused + 30); // longer than a turn
  check((await line()) === paused, 'a log stands while it is paused');
  await page.getByText('Paused').click();
  await further(paused + 29);
  await api('POST', `/v1/jobs/${job.id}/cancel`);
  await page.locator('h1 .badge.cancelled').waitFor();
  const later = await api('POST', '/v1/jobs', { task: 'noop', delay: 900, tags: ['later'] });
  const logs = `**/jobs/${later.id}/logs?*`; // the other one's is asked for once more when it has ended
  let asked = 0;
  await page.route(logs, (route) => (asked++, refuse(404, 'no log')(route)));
  await page.goto(`${base}/#/jobs/${later.id}`);
  await page.getByText('Life').waitFor();
  for (let i = 0; i < 4; i++) await page.waitForResponse((r) => r.url().includes('/v1/jobs/') && r.status() === 304);
  check(asked === 1 && (await page.getByRole('heading', { name: 'Log' }).count()) === 0, `a log that is not kept is asked for ${asked} times`);
  await page.unroute(logs);
  await api('POST', '/v1/jobs/cancel?tag=later');
  allowed.trouble = false;
}

/** What changes many goes on where its answer says, and ends where that says so: not at what matches anew. */
async function many() {
  const bad = { task: 'sleep', input: { seconds: 60 }, timeout: 0.05, max_attempts: 1 };
  const group = await api('POST', '/v1/jobs/batch', { jobs: [bad, bad] });
  await api('GET', `/v1/groups/${group.id}?wait=60`);
  const asked = [];
  const answers = [];
  await page.route(/\/v1\/jobs\/(retry|cancel|delete)/, (route) => {
    asked.push(route.request().url().slice(base.length));
    return route.fulfill({ contentType: 'application/json', body: JSON.stringify(answers.shift()) });
  });
  const tell = async (name, said, ...all) => {
    asked.length = 0;
    answers.push(...all);
    await page.getByRole('button', { name }).click();
    await said();
    check(answers.length === 0, `${name}: all were asked`);
    return asked.join(' ');
  };
  const words = (text) => () => page.getByText(text).waitFor();
  const part = { matched: 1000, changed: 1000, more: true };
  await page.goto(`${base}/#/jobs?state=failed`);
  await page.locator('tbody tr').first().waitFor();
  const next = '/v1/jobs/retry?state=failed&cursor=AAAAAAAAAAAAAAAAAAAAAA';
  check((await tell('Retry all', words('1,003 jobs will run again.'), { ...part, next }, { matched: 5, changed: 3, more: true, next: null })) === `/v1/jobs/retry?state=failed ${next}`, `asked ${asked}`);
  check((await tell('Retry all', words('1,004 jobs will run again.'), part, { matched: 4, changed: 4, more: false })) === '/v1/jobs/retry?state=failed /v1/jobs/retry?state=failed', `without a next: asked ${asked}`);
  await page.goto(`${base}/#/groups/${group.id}`);
  const at = (state) => `/v1/jobs/retry?group=${group.id}&state=${state}`;
  const none = { matched: 0, changed: 0, more: false, next: null };
  const there = page.waitForResponse((r) => r.url().includes('state=expired')).then(() => {});
  check((await tell('Retry 2', () => there, { ...part, next: `${at('failed')}&cursor=B` }, none, none, none)) === [at('failed'), `${at('failed')}&cursor=B`, at('cancelled'), at('expired')].join(' '), `of a group: asked ${asked}`);
  await page.unroute(/\/v1\/jobs\/(retry|cancel|delete)/);
  const retried = page.waitForResponse((r) => r.url().includes('state=expired') && r.request().method() === 'POST');
  await page.getByRole('button', { name: 'Retry 2' }).click();
  await retried;
  await api('GET', `/v1/groups/${group.id}?wait=60`);
}

/** A browser whose clock is wrong tells ages by the service's. */
async function clocks() {
  await api('POST', '/v1/jobs?wait=60', { task: 'noop', tags: ['fresh'] });
  for (const ms of [-120000, 3600000]) {
    const tab = await browse();
    await tab.addInitScript((by) => {
      const now = Date.now;
      Date.now = () => now() + by;
    }, ms);
    await tab.goto(`${base}/#/jobs?tag=fresh`);
    await tab.locator('tbody .when').getByText(/^(now|\d+ (s|min .*) ago)$/).waitFor();
    await tab.context().close();
  }
}

/** A worker that a signal has stopped is told as such. */
async function stopped() {
  const { pid } = (await api('GET', '/v1/workers')).workers[0];
  const badge = page.locator('main').getByText('stopped', { exact: true });
  process.kill(pid, 'SIGSTOP');
  await page.goto(`${base}/#/workers`);
  await badge.waitFor();
  await axe(page, 'a stopped worker');
  await page.goto(`${base}/#/`);
  await badge.waitFor();
  process.kill(pid, 'SIGCONT');
  await page.goto(`${base}/#/workers`);
  await page.getByRole('region', { name: /^Workers of/ }).first().waitFor();
  await hidden(badge);
}

/** Keys act neither behind a dialog nor where they were switched off, which is kept. */
async function keys() {
  await page.goto(`${base}/#/jobs`);
  await page.locator('tbody tr').first().waitFor();
  const at = () => page.url().split('#')[1];
  const live = page.getByRole('button', { name: 'Live' });
  check((await live.getAttribute('title')) === 'Pause updates (p)', 'what the button does');
  await page.keyboard.press('?');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  for (const key of ['p', 'g', 'w']) await page.keyboard.press(key);
  check((await live.isVisible()) && at() === '/jobs', 'no key acts behind a dialog');
  await dialog.getByLabel('These keys act').uncheck();
  await axe(page, 'no keys');
  await page.keyboard.press('Escape');
  await hidden(dialog);
  await page.reload();
  await page.locator('tbody tr').first().waitFor();
  for (const key of ['?', 'p', 'g', 'w']) await page.keyboard.press(key);
  check((await live.isVisible()) && at() === '/jobs' && !(await dialog.isVisible()), 'keys that were switched off');
  await page.getByRole('button', { name: 'Keys' }).click();
  await dialog.getByLabel('These keys act').check();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await hidden(dialog);
  await page.keyboard.press('p');
  check((await page.getByRole('button', { name: 'Paused' }).getAttribute('title')) === 'Go on with updates (p)', 'and what it does then');
  await page.keyboard.press('p');
  await live.waitFor();
}

/** Why a token is refused is told; who leaves takes along what the next one may not do. */
async function tokens() {
  const secret = { reader: `jm_${'r'.repeat(43)}`, boss: `jm_${'b'.repeat(43)}` };
  const hash = (text) => createHash('sha256').update(text).digest('hex');
  writeFileSync(join(dir, 'tokens'), `[token reader]\nhash = sha256:${hash(secret.reader)}\nscopes = read\nread_all = yes\n[token boss]\nhash = sha256:${hash(secret.boss)}\nscopes = admin\n`);
  const { base: there } = await serve('guarded', '--config', join(dir, 'tokens'), '--workers', '1');
  allowed.bases = [base, there];
  const job = await client(there)('POST', '/v1/jobs?wait=60', { task: 'noop' }, { Authorization: `Bearer ${secret.boss}` });
  const tab = await browse();
  const refused = tab.getByRole('alert');
  const enter = async (token) => {
    await tab.getByLabel('Token').fill(token);
    await tab.getByRole('button', { name: 'Enter' }).click();
  };
  await tab.goto(there);
  await tab.getByLabel('Token').waitFor();
  check((await refused.count()) === 0, 'who has no token yet is not refused');
  await enter('jm_nonsense');
  await refused.getByText('The service answered 401').waitFor();
  await axe(tab, 'refused');
  await enter(secret.reader);
  await tab.getByText('read only').waitFor();
  check((await refused.count()) === 0, 'a good one is not refused');
  await tab.route('**/v1/stats', refuse(401, 'the token has expired'));
  await refused.getByText('the token has expired').waitFor();
  await tab.unroute('**/v1/stats');
  check((await tab.getByText('read only').count()) === 0, 'what it may do is forgotten');
  await enter(secret.boss);
  await again(tab, there, job, secret.boss);
  await tab.getByRole('button', { name: 'Log out' }).click();
  await tab.getByLabel('Token').waitFor();
  check((await refused.count()) === 0, 'who leaves is not refused');
  check((await tab.title()) === 'Token · jobmill', `the title of who has left: ${await tab.title()}`);
  await tab.context().close();
}

await run('web, trouble', async () => {
  await stuck();
  await remote();
  await failures();
  await asItCame();
  await forms();
  await byCurl();
  await log();
  await many();
  await clocks();
  await stopped();
  await keys();
  await tokens();
});
