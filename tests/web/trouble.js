// trouble.js JOBMILL CHROMIUM - the dashboard where things go wrong or stand still, and with what must not be
// changed on its way through it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { allowed, axe, browse, check, client, dir, run, serve } from './kit.js';

writeFileSync(join(dir, 'conf'), `[server]
stopped_timeout = 0
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

await run('web, trouble', async () => {
  await stuck();
  await failures();
});
