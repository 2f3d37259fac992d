// pictures.js JOBMILL CHROMIUM DIR - the pictures of docs/screenshots: pages of a service that has been at
// work for a while. It runs for about a minute, for the charts.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [binary, executablePath, out] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'jobmill-pictures-'));
const service = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--data-dir', join(dir, 'data'), '--workers', '4'], {
  stdio: ['ignore', 'pipe', 'ignore'],
});
const base = await new Promise((resolve, reject) => {
  service.stdout.on('data', (text) => resolve(String(text).trim().replace('listening on ', '')));
  service.on('exit', () => reject(new Error('the service did not start')));
});

async function submit(job, query = '') {
  const answer = await fetch(`${base}/v1/jobs${query}`, { method: 'POST', body: JSON.stringify(job) });
  return answer.json();
}

/** Some of everything, in waves; `turn` counts the seconds. */
async function wave(turn) {
  const many = 3 + Math.round(12 * Math.abs(Math.sin(turn / 7)));
  for (let i = 0; i < many; i++) await submit({ task: 'primes', input: { limit: 1000000 * (1 + ((turn * 7 + i) % 9)) }, tags: ['reports'] });
  await submit({ task: 'mandelbrot', input: { width: 400, height: 250, max_iterations: 200 }, tags: ['pictures'] });
  if (turn % 5 === 0) await submit({ task: 'sleep', input: { seconds: 30 }, timeout: 0.2, max_attempts: 1 });
  if (turn % 9 === 0) await submit({ task: 'noop', delay: 3600 });
}

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
  const picture = (name) => page.screenshot({ path: join(out, `${name}.png`) });
  await page.goto(base);
  for (let turn = 0; turn < 50; turn++) {
    await wave(turn);
    if (turn === 48) await submit({ task: 'sleep', input: { seconds: 120 }, tags: ['reports'] });
    await page.waitForTimeout(1000);
  }
  await picture('overview');
  const shown = await submit({ task: 'mandelbrot', input: { width: 640, height: 400, max_iterations: 300 }, tags: ['pictures'], priority: 100 }, '?wait=60');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.goto(`${base}/#/jobs/${shown.id}`);
  await page.locator('img[src^="blob:"]').waitFor();
  await picture('job-dark');
} finally {
  await browser.close();
  service.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
}
