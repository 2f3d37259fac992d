// test.js JOBMILL CHROMIUM [SCREENSHOTS] - the dashboard in a real browser on the real service: every page
// and every action, no message on the console, no request to anywhere else, nothing of what clients
// sent is run, and axe finds nothing. With a directory, pictures of the pages are left there.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { cronWords } from './cronwords.js';
import { allowed, axe as axeOf, browse, check, client, dir, pictures, run, serve } from './kit.js';
import { parse, quantile } from './prometheus.js';
import { ceiling, column, runs } from './series.js';

const EVIL = '<img src=x onerror="window.evil=1">';

// what needs no browser: cron in words, figures of histograms
for (const [cron, words] of [
  ['30 3 * * 1-5', 'at 3:30, Monday to Friday'], ['@daily', 'at 0:00'], ['*/15 * * * *', 'every 15 minutes'], ['0 */6 * * *', 'every 6 hours'],
  ['5 8,20 1 jan,JUL *', 'at 8:05 and 20:05, on day 1 of the month, in January and July'], ['0 0 1 * SUN', 'at 0:00, on day 1 of the month or Sunday'],
  ['*/7 * * * *', ''], ['0 0 */2 * *', ''], ['1-9/2 * * * *', ''], ['nonsense', ''], ['0 0 * * 8', ''], ['* * * * *', 'every minute'],
]) check(cronWords(cron) === words, `${cron} in words: ${cronWords(cron)}`);
const series = parse('# HELP x y\nx_total{task="a\\"b",le="0.5"} 3\nx_total{task="c"} +Inf\nrest 1.5e3\n');
check(series.get('x_total')[0].labels.task === 'a"b' && series.get('x_total')[1].value === Infinity && series.get('rest')[0].value === 1500, 'the text format');
check(quantile([[1, 0], [2, 10], [Infinity, 10]], 0.5).at === 1.5 && quantile([[1, 1], [Infinity, 4]], 0.95).over && quantile([[1, 0], [Infinity, 0]], 0.5) === null, 'quantiles');
check([0, 0.03, 1, 1.1, 4.9, 5.1, 700].map(ceiling).join() === '1,0.05,1,2,5,10,1000', 'where an axis ends');
check(JSON.stringify(runs([1, null, 2, 3])) === '[[[0,1]],[[2,2],[3,3]]]' && runs([null]).length === 0, 'pieces of a line');
check(JSON.stringify(column([1, 2], 4, 0, 0)) === '[null,null,1,2]' && JSON.stringify(column([1, 2, 3], 4, 2, 0)) === '[2,3,0,0]' && column([1], 3, 99, 7).join() === '7,7,7', 'columns');

const { base, kill } = await serve('data', '--workers', '2');
const api = client(base);
allowed.bases = [base];
const page = await browse();
const axe = (name) => axeOf(page, name);

const EVERY = (picture) => [['', 'Newest jobs'], ['jobs', 'Older'], [`jobs/${picture.id}`, 'Life'], ['tasks', 'counts the primes'], ['schedules', 'Make a schedule'], ['workers', 'forkserver'], ['service', 'priority_ageing']];

async function open(hash, name, wait) {
  await page.goto(`${base}/#/${hash}`);
  await page.getByText(wait).first().waitFor();
  await axe(name);
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** The overview, in a browser that has nothing of it yet: when something was painted, when the figures were there. Told, not judged. */
async function firstPaint(times = 9) {
  const painted = [], filled = [];
  for (let i = 0; i < times; i++) {
    const tab = await browse();
    await tab.goto(`${base}/`);
    await tab.locator('tbody tr').first().waitFor();
    filled.push(await tab.evaluate(() => performance.now()));
    const at = () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
    painted.push(await (await tab.waitForFunction(at)).jsonValue());
    await tab.context().close();
  }
  const middle = (all) => `${Math.round(all.sort((a, b) => a - b)[times >> 1])} ms (${Math.round(all[0])} to ${Math.round(all[times - 1])})`;
  console.log(`first paint of the overview: ${middle(painted)}, with its rows: ${middle(filled)}; ${times} times, nothing cached`);
}

/** A page of the API: light and dark, wide and narrow, unfolded, by the keyboard. */
async function openDocs(path, name, wait) {
  await page.goto(`${base}/`);
  await page.getByRole('link', { name: 'API', exact: true }).click();
  if (path !== '/docs') await page.getByRole('link', { name: 'Errors', exact: true }).click();
  await page.getByText(wait).first().waitFor();
  await page.waitForURL(base + path); // the dashboard leads there
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${base}${path}#content`); // the keyboard goes to the content
  await page.waitForFunction(() => document.activeElement.id === 'content');
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await axe(`${name}, ${colorScheme}`);
    if (pictures) await page.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`) });
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.locator('details').evaluateAll((all) => all.forEach((d) => (d.open = true)));
  await axe(`${name}, unfolded`);
  await page.setViewportSize({ width: 360, height: 740 });
  check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} fits 360 pixels`);
  await axe(`${name}, narrow`);
  if (pictures) await page.screenshot({ path: join(pictures, `${name}-narrow.png`) });
  await page.setViewportSize({ width: 1280, height: 900 });
}

await run('web', async () => {
  await api('POST', '/v1/jobs?wait=60', { task: 'echo', input: { [EVIL]: EVIL }, tags: [EVIL] });
  const picture = await api('POST', '/v1/jobs?wait=60', { task: 'mandelbrot', input: { width: 320, height: 200, max_iterations: 100 } });
  const failed = await api('POST', '/v1/jobs?wait=60', { task: 'sleep', input: { seconds: 60 }, timeout: 0.05, max_attempts: 1 });
  const long = await api('POST', '/v1/jobs', { task: 'sleep', input: { seconds: 600 } });

  await firstPaint();
  await open('', 'overview', 'Newest jobs');
  await page.getByText('busy', { exact: true }).waitFor();
  const times = page.getByRole('region', { name: 'Times by task' });
  await times.getByText('mandelbrot').waitFor();
  await times.locator('tr', { hasText: 'sleep' }).getByText('100 %').waitFor();
  await page.getByLabel(/^since/).selectOption('tab');
  await page.getByText('Nothing has run.').waitFor();
  await page.getByLabel(/^since/).selectOption('start');
  const chart = page.getByRole('group', { name: /^Throughput/ });
  await page.getByRole('img', { name: /Throughput, now: succeeded/ }).waitFor();
  await chart.focus();
  await page.keyboard.press('End');
  await page.locator('.chart', { has: chart }).getByRole('status').getByText(/\d:\d\d.*: succeeded .*, failed /).waitFor(); // the newest point: its time and its values
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: '24 h' }).click();
  await page.getByText('Last 24 hours').waitFor();
  await page.getByText('2 h ago', { exact: true }).first().waitFor(); // it has not been there for longer
  await axe('24 hours');
  await open('jobs', 'jobs', EVIL);
  await open(`jobs/${picture.id}`, 'job', 'Life');
  check((await page.title()) === `…${picture.id.slice(-12)} succeeded · mandelbrot · jobmill`, `the title of a job: ${await page.title()}`);
  await page.locator('img[src^="blob:"]').waitFor();
  check(await page.locator('.payload img').evaluate(async (i) => (await i.decode(), i.naturalWidth === 320)), 'the result as a picture');
  await open('tasks', 'tasks', 'counts the primes');
  check((await page.title()) === 'Tasks · jobmill', `the title of a page: ${await page.title()}`);
  await open('schedules', 'schedules', 'Make a schedule');
  await open('workers', 'workers', '1 of 2 busy');
  for (const [path, name, wait] of [['/docs', 'docs', 'The API of jobmill'], ['/docs/errors', 'errors', 'What to do']]) await openDocs(path, name, wait);
  await open('nowhere', 'not-found', 'There is no such page');

  // a job: stop it, run it again, forget it
  await page.goto(`${base}/#/jobs/${long.id}`);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.locator('h1 .badge.cancelled').waitFor();
  await page.getByRole('button', { name: 'Retry' }).click();
  await page.locator('h1 .badge.running').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.locator('h1 .badge.cancelled').waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.waitForURL(/#\/jobs$/);
  await page.goto(`${base}/#/jobs/${failed.id}`);
  await page.getByText('timeout:').waitFor();

  // what belongs together: a group, what a job depends on, the calls of its callback_url, one like it
  const batch = await api('POST', '/v1/jobs/batch', { callback_url: 'http://localhost:9/hook', jobs: [{ task: 'primes', ref: 'a', input: { limit: 1000 } }, { task: 'echo', depends_on: ['a'] }] });
  await api('GET', `/v1/groups/${batch.id}?wait=60`);
  const [parent, child] = batch.jobs;
  await page.goto(`${base}/#/jobs/${child.id}`);
  await page.locator('.parents').getByText('primes succeeded').waitFor();
  await axe('dependencies');
  await page.locator('.parents a').click();
  await page.waitForURL(new RegExp(`#/jobs/${parent.id}$`));
  await page.locator(`.facts a[href="#/groups/${batch.id}"]`).click();
  await page.getByText('2 of 2 have ended').waitFor();
  await page.getByRole('region', { name: 'Calls of the callback_url' }).getByText(/waiting|given up/).waitFor();
  await open(`groups/${batch.id}`, 'group', 'http://localhost:9/hook');
  const [kept] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save its results' }).click()]);
  check(kept.suggestedFilename().startsWith(`${batch.id}-results`), 'the results of the group are a file');
  const called = await api('POST', '/v1/jobs?wait=60', { task: 'noop', callback_url: 'http://localhost:9/one' });
  await page.goto(`${base}/#/jobs/${called.id}`);
  await page.getByRole('region', { name: 'Calls of the callback_url' }).getByText(/waiting|given up/).waitFor();
  await page.goto(`${base}/#/jobs/${parent.id}`);
  await page.getByRole('link', { name: 'Submit a changed one' }).click();
  const like = page.locator('.task').first();
  await like.getByText(/^As …/).waitFor();
  check((await like.getByLabel(/limit/).inputValue()) === '1000', 'the form has the input of the job');
  await axe('a changed one');
  await like.getByLabel(/limit/).fill('100');
  await like.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL(/#\/jobs\/0/);
  await page.locator('.json', { hasText: '25' }).waitFor();

  // the list: filter, choose, forget
  await page.goto(`${base}/#/jobs`);
  await page.getByRole('link', { name: /^failed/ }).click();
  await page.waitForURL(/state=failed/);
  await page.getByText(/^All that are failed/).waitFor();
  await page.getByLabel(`Choose ${failed.id}`).check();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByText('1 job forgotten.').waitFor();
  await page.getByText('No job fits').waitFor();
  await page.goto(`${base}/#/jobs`);
  await page.locator('.tabs [aria-current]', { hasText: 'all' }).waitFor();
  await page.getByLabel('Search').fill('LIMIT":1000');
  await page.waitForResponse((r) => r.url().includes('/v1/jobs?')); // what is typed stays when news come
  check((await page.getByLabel('Search').inputValue()) === 'LIMIT":1000', 'what was typed');
  await page.keyboard.press('Enter');
  await page.waitForURL(/text=/);
  check(await page.evaluate(() => document.activeElement.name === 'text'), 'the keyboard stays in the field');
  // only jobs that have the text
  await page.waitForFunction(() => [...document.querySelectorAll('tbody tr')].map((r) => r.querySelector('.what').textContent).join('').replaceAll('primes', '') === '' && document.querySelector('tbody tr'));
  await page.getByLabel('From').fill('2100-01-01T00:00');
  await page.getByText('No job fits').waitFor();
  await page.getByRole('link', { name: 'Drop the filter created_after' }).click();
  await page.locator('tbody tr').first().waitFor();
  await page.getByRole('link', { name: 'drop all' }).or(page.getByRole('link', { name: 'Drop the filter text' })).first().click();
  await page.locator('tbody tr', { hasText: 'mandelbrot' }).waitFor();
  await axe('filters');

  // by the keyboard: search, along the list, choose, open, the other pages, the list of keys
  await page.locator('h1').click();
  await page.keyboard.press('/');
  await page.waitForFunction(() => document.activeElement.name === 'text');
  await page.locator('h1').click();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  check(await page.evaluate(() => document.querySelector('tbody tr').contains(document.activeElement)), 'j and k go along the list');
  await page.keyboard.press('x');
  await page.getByText('1 chosen').waitFor();
  await page.keyboard.press('x');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Life' }).waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await axe('keys');
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');
  await page.keyboard.press('w');
  await page.getByRole('heading', { name: 'Workers' }).waitFor();

  // what the user chooses: no more news, and the theme, which is kept
  await page.keyboard.press('p');
  await page.getByText('Paused').waitFor();
  await page.keyboard.press('p');
  await page.getByText('Live').waitFor();
  await page.getByRole('button', { name: /^Theme/ }).click();
  await page.reload();
  check((await page.evaluate(() => getComputedStyle(document.body).backgroundColor)) === 'rgb(14, 17, 22)', 'dark, as chosen');
  await page.getByRole('button', { name: /^Theme/ }).click();
  await page.getByRole('button', { name: /^Theme/ }).click();
  await page.getByRole('button', { name: 'Theme: as the system' }).waitFor();
  await api('POST', '/v1/jobs/batch', { jobs: Array.from({ length: 60 }, () => ({ task: 'noop', delay: 900, tags: ['many'] })) });
  await page.goto(`${base}/#/jobs?tag=many&state=scheduled`);
  await page.getByText('Older').click();
  await page.waitForURL(/cursor=/);
  await page.getByRole('button', { name: 'Cancel all' }).click();
  await page.getByText('No job fits').waitFor();

  // tasks: hold back, and submit by the form that the schema makes
  await page.goto(`${base}/#/tasks`);
  const primes = page.locator('.task', { hasText: 'counts the primes' });
  await primes.getByRole('button', { name: 'Pause' }).click();
  await primes.getByRole('button', { name: 'Resume' }).click();
  await primes.getByRole('button', { name: 'Pause' }).waitFor();
  await primes.getByText('Submit a job').click();
  await primes.getByLabel(/limit/).fill('1000');
  await axe('form');
  await primes.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL(/#\/jobs\/0/);
  await page.getByText('168').first().waitFor();

  // schedules: make, hold back, remove
  await page.goto(`${base}/#/schedules`);
  await page.getByText('Make a schedule').click();
  await page.getByLabel('Name').fill('nightly');
  await page.getByLabel('Task', { exact: true }).selectOption('noop');
  await axe('schedule form');
  await page.getByRole('button', { name: 'Make', exact: true }).click();
  await page.getByText('runs noop').waitFor();
  await page.locator('.words').getByText('at 3:00').waitFor();
  await page.locator('.next li').nth(4).waitFor();
  check((await page.locator('.next li').count()) === 5, 'its next five runs');
  await page.getByRole('button', { name: 'Run now' }).click();
  await page.locator('.facts a[href^="#/jobs/"]').waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByText('There is no schedule yet').waitFor();

  // pools
  await page.goto(`${base}/#/workers`);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Pause' }).waitFor();

  // who did that, and what is set
  await open('service', 'service', 'anybody: there are no tokens');
  const acts = page.getByRole('region', { name: 'Audit log' });
  await acts.locator('tr', { hasText: 'resume' }).first().getByText('/v1/pools/default/resume').waitFor();
  await page.getByLabel(/not the default/).check();
  await page.getByRole('region', { name: 'Settings' }).getByText('data_dir').waitFor();
  check((await page.getByRole('region', { name: 'Settings' }).getByText('priority_ageing').count()) === 0, 'only what is not the default');

  // dark, and narrow without a side scroll
  await page.emulateMedia({ colorScheme: 'dark' });
  for (const [hash, wait] of EVERY(picture))
    await open(hash, `${hash.split('/')[0] || 'overview'}${hash.includes('/') ? '-one' : ''}-dark`, wait);
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: 'light' });
  for (const [hash, wait] of EVERY(picture)) {
    await open(hash, `${hash.split('/')[0] || 'overview'}${hash.includes('/') ? '-one' : ''}-narrow`, wait);
    check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${hash || 'overview'} fits 360 pixels`);
  }
  check(!(await page.evaluate(() => window.evil)), 'nothing of what clients sent is run');

  // below a path of a proxy's own
  const proxy = createServer((rq, answer) => {
    if (!rq.url.startsWith('/below/jobmill/')) return answer.writeHead(404).end();
    const onward = request(base + rq.url.slice('/below/jobmill'.length), { method: rq.method, headers: { ...rq.headers, host: new URL(base).host } }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    rq.pipe(onward);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const below = `http://127.0.0.1:${proxy.address().port}/below/jobmill/`;
  allowed.bases = [base, below];
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.goto(below);
  await page.locator('tbody a.mono').first().click();
  await page.getByText('Life').waitFor();
  await page.locator('pre', { hasText: `curl '${below}v1/jobs'` }).waitFor(); // curl goes by the proxy
  await page.getByRole('link', { name: 'API', exact: true }).click();
  await page.getByRole('link', { name: 'Errors', exact: true }).click();
  await page.waitForURL(`${below}docs/errors`);
  check((await page.locator('#bad_field').evaluate((e) => getComputedStyle(e).borderTopWidth)) === '1px', 'the pages of the API below a path');
  await page.getByRole('link', { name: 'Dashboard' }).click();
  await page.getByText('Newest jobs').waitFor();
  await page.getByRole('link', { name: 'Workers', exact: true }).click();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  await page.goto('about:blank');
  proxy.closeAllConnections();
  proxy.close();

  // a second look costs no body
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.goto(`${base}/#/schedules`);
  const again = await page.waitForResponse((r) => r.url().endsWith('/v1/schedules') && r.status() === 304);
  check(again.status() === 304, 'polls that find nothing new are 304');

  // while nothing happens the overview asks for one thing, and is told that it is as it was
  await api('POST', '/v1/jobs/cancel?state=running');
  await api('POST', '/v1/jobs/cancel?state=queued');
  await api('POST', '/v1/jobs/cancel?state=scheduled');
  const unchanged = () => page.waitForResponse((r) => r.url().endsWith('/v1/stats') && r.status() === 304);
  await page.goto(`${base}/#/`);
  await page.getByText('Newest jobs').waitFor();
  for (let i = 0; i < 7; i++) await unchanged(); // what follows from the last change has been asked for
  const asked = [];
  const note = (r) => asked.push(r.url().slice(base.length));
  page.on('request', note);
  for (let i = 0; i < 3; i++) await unchanged();
  page.off('request', note);
  check(asked.length >= 3 && asked.length <= 4 && asked.every((u) => u === '/v1/stats'), `an idle tab asks for ${asked.join(' ')}`);

  // with tokens: it asks for one, and offers only what the token may do
  const secret = { reader: `jm_${'r'.repeat(43)}`, boss: `jm_${'b'.repeat(43)}` };
  const digest = (text) => createHash('sha256').update(text).digest('hex');
  writeFileSync(join(dir, 'conf'), `[token reader]\nhash = sha256:${digest(secret.reader)}\nscopes = read\nread_all = yes\n[token boss]\nhash = sha256:${digest(secret.boss)}\nscopes = admin\n`);
  const { base: there } = await serve('guarded', '--config', join(dir, 'conf'), '--workers', '1');
  allowed.bases = [base, there];
  await fetch(`${there}/v1/jobs?wait=60`, { method: 'POST', body: '{"task":"noop"}', headers: { Authorization: `Bearer ${secret.boss}` } });
  await page.goto(there);
  await page.getByLabel('Token').waitFor();
  await axe('log in');
  await page.getByLabel('Token').fill(secret.reader);
  await page.getByRole('button', { name: 'Enter' }).click();
  await page.getByText('read only').waitFor();
  await page.goto(`${there}/#/tasks`);
  await page.getByText('counts the primes').waitFor();
  check((await page.getByRole('button', { name: 'Pause', exact: true }).count()) + (await page.getByText('Submit a job').count()) === 0, 'a reader is offered no change');
  await page.goto(`${there}/#/jobs?state=succeeded`);
  await page.locator('tbody tr', { hasText: 'noop' }).waitFor();
  check((await page.locator('main [type=checkbox]').count()) + (await page.getByText('Delete all').count()) === 0, 'nor a change of many');
  await page.goto(`${there}/#/service`);
  await page.getByText('The audit log is for tokens with the scope admin').waitFor();
  await axe('read only');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Token').fill(secret.boss);
  await page.getByRole('button', { name: 'Enter' }).click();
  await page.goto(`${there}/#/tasks`);
  await page.getByText('Submit a job').first().waitFor();
  await page.goto(`${base}/#/`);
  await page.getByText('Newest jobs').waitFor();

  // the service goes away
  await page.reload();
  allowed.trouble = true;
  kill();
  await page.getByText('The service does not answer').first().waitFor();
});
