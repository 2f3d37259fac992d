// kit.js - what the tests of the dashboard share: services of their own, a browser that is watched, and what failed.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

export const [binary, executablePath, pictures] = process.argv.slice(2);

let failures = 0;
export function check(ok, what) {
  if (ok) return;
  failures++;
  console.log('FAIL', what);
}

export const dir = mkdtempSync(join(tmpdir(), 'jobmill-web-'));
const services = [];
process.on('exit', () => { // also where a test throws before it runs
  for (const service of services) service.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

/** Starts a service on a port that was free; it is killed at the end. {base, kill} */
export async function serve(name, ...options) {
  const service = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--data-dir', join(dir, name), ...options], { stdio: ['ignore', 'pipe', 'ignore'] });
  services.push(service);
  const base = await new Promise((resolve, reject) => {
    service.stdout.on('data', (text) => resolve(String(text).trim().replace('listening on ', '')));
    service.on('exit', () => reject(new Error('the service did not start')));
  });
  return { base, kill: () => service.kill('SIGKILL') };
}

/** Asks a service as its clients do: what it answered, as JSON. */
export const client = (base) => async (method, path, body, headers) => {
  const answer = await fetch(base + path, { method, headers, body: body && (typeof body === 'string' ? body : JSON.stringify(body)) });
  return answer.status === 204 ? null : answer.json();
};

let browser = null;
/** What a page may do: whom it may ask, and whether the browser may tell on its console of what is not answered. */
export const allowed = { bases: [], trouble: false };

/** A page that says yes to all questions. What it says on its console, throws, or asks of strangers is a failure. */
export async function browse(options = {}) {
  browser ??= await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60000); // longer than anything takes on a busy machine
  page.on('console', (m) => check(allowed.trouble || !['error', 'warning'].includes(m.type()) || / 4\d\d /.test(m.text()), `console: ${m.text()}`));
  page.on('pageerror', (e) => check(false, `error: ${e.message}`));
  page.on('request', (r) => check(/^(blob:|data:)/.test(r.url()) || allowed.bases.some((base) => r.url().startsWith(base)) || r.url() === 'about:blank', `request to ${r.url()}`));
  page.on('dialog', (d) => d.accept());
  return page;
}

export async function axe(page, name) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  for (const v of violations) check(false, `axe, ${name}: ${v.id}: ${v.help}: ${v.nodes[0].target}`);
}

/** Runs all of a test, cleans up, tells, and ends the process. */
export async function run(name, all) {
  try {
    await all();
  } catch (error) {
    check(false, error.stack);
  } finally {
    await browser?.close();
  }
  console.log(`${name}: ${failures} failures`);
  process.exit(failures ? 1 : 0);
}
