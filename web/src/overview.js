// overview.js - what goes on: counts, throughput and depth while the tab is open, workers, last jobs.
import { useEffect, useRef, useState } from 'preact/hooks';
import { beside, get } from './api.js';
import { Figures } from './metrics.js';
import { Badge, Failure, JobLink, Loading, Progress, STATES, Spark, Time, bytesText, count, duration, html, useNow, usePoll } from './ui.js';

const KEPT = 450; // samples: 15 minutes of one each 2 s

function useHistory(stats) {
  const samples = useRef([]);
  const [beat, turn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && turn((n) => n + 1), 2000);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (!stats) return;
    samples.current.push({ at: performance.now(), finished: stats.writer.finished, depth: stats.queue_depth });
    if (samples.current.length > KEPT) samples.current.shift();
  }, [!stats, beat]);
  const all = samples.current;
  const rates = all.slice(1).map((s, i) => {
    const seconds = (s.at - all[i].at) / 1000;
    return seconds > 0 ? Math.max(0, (s.finished - all[i].finished) / seconds) : 0;
  });
  return { rates, depths: all.map((s) => s.depth) };
}

export function Worker({ w }) {
  return html`<li class=${`tile ${w.state}`}>
    <div class="tile-head"><strong>${w.pool} ${w.slot}</strong><span class=${`dot ${w.state}`}>${w.state}</span></div>
    ${w.job
      ? html`<div>${w.task} <${JobLink} id=${w.job} /></div><${Progress} progress=${w.progress} />`
      : html`<div class="dim">${w.state === 'idle' ? 'waits for a job' : '…'}</div>`}
    <div class="dim small">pid ${w.pid ?? '–'} · ${count(w.jobs_done)} jobs · ${bytesText(w.rss_bytes)} · CPU ${w.cpu_seconds < 0.01 ? '0 s' : duration(w.cpu_seconds)}${w.started_at && html` · born <${Time} at=${w.started_at} />`}${w.restarts > 0 && ` · replaced ${count(w.restarts)}×`}</div>
  </li>`;
}

export function Overview() {
  const stats = usePoll('/v1/stats');
  const news = useRef(null);
  news.current = stats.data;
  const workers = usePoll('/v1/workers', 2000, get, news);
  const jobs = usePoll('/v1/jobs?limit=8', 2000, get, news);
  const { rates, depths } = useHistory(stats.data);
  const born = useRef({});
  const now = useNow();
  if (!stats.data) return stats.error ? html`<${Failure} error=${stats.error} />` : html`<${Loading} />`;
  const s = stats.data;
  if (born.current.of !== s) born.current = { of: s, at: Date.now() - s.uptime * 1000 };
  const rate = rates.at(-1) ?? 0;
  return html`
    <h1>Overview</h1>
    <ul class="counts" aria-label="Jobs by state">
      ${STATES.map(
        (state) => html`<li class=${state}><a href=${`#/jobs?state=${state}`}><strong>${count(s.jobs[state])}</strong><span>${state}</span></a></li>`,
      )}
    </ul>
    <div class="cards">
      <section class="card">
        <h2>Throughput</h2>
        <p class="figure">${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} <small>attempts/s</small></p>
        <${Spark} values=${rates} label=${`Attempts finished each second since this page was opened, now ${rate.toFixed(1)}`} />
      </section>
      <section class="card">
        <h2>Queue</h2>
        <p class="figure">${count(s.queue_depth)} <small>waiting</small></p>
        <${Spark} values=${depths} label=${`Queue depth since this page was opened, now ${s.queue_depth}`} />
      </section>
      <section class="card">
        <h2>Service</h2>
        <dl class="facts">
          <dt>Workers busy</dt><dd>${s.workers.busy} of ${s.workers.total}</dd>
          <dt>Up for</dt><dd>${duration(Math.max(0, now - born.current.at) / 1000)}</dd>
          <dt>Store</dt><dd>${bytesText(s.store.db_bytes + s.store.wal_bytes)}</dd>
          <dt>Commit, mean</dt><dd>${duration(s.writer.commits ? s.writer.commit_seconds / s.writer.commits : 0)}</dd>
          <dt>Clients waiting</dt><dd>${count(s.http.waiting)}</dd>
          <dt>Version</dt><dd>${s.version}</dd>
        </dl>
      </section>
    </div>
    <${Figures} news=${news} />
    <h2>Workers</h2>
    <ul class="tiles">${(workers.data?.workers ?? []).slice(0, 64).map((w) => html`<${Worker} key=${w.slot} w=${w} />`)}</ul>
    <h2>Newest jobs</h2>
    ${jobs.data?.jobs.length === 0
      ? html`<div class="note">There is no job yet. Try: <code>curl ${beside('/v1/jobs')} -d '{"task":"primes","input":{"limit":10000000}}'</code>, or submit one from <a href="#/tasks">Tasks</a>.</div>`
      : html`<${JobTable} jobs=${jobs.data?.jobs ?? []} />`}
  `;
}

/** The API's times have milliseconds. */
function took(j) {
  const ms = new Date(j.finished_at) - new Date(j.started_at);
  return ms < 1 ? '< 1 ms' : duration(ms / 1000);
}

export function JobTable({ jobs, chosen, choose }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Jobs"><table>
    <thead><tr>
      ${choose && html`<th><input type="checkbox" aria-label="Choose all" checked=${jobs.length > 0 && jobs.every((j) => chosen.has(j.id))}
        onChange=${(e) => choose(jobs.map((j) => j.id), e.target.checked)} /></th>`}
      <th>Job</th><th>Task</th><th>State</th><th>Attempt</th><th>Created</th><th>Took</th><th>Tags</th>
    </tr></thead>
    <tbody>${jobs.map(
      (j) => html`<tr key=${j.id}>
        ${choose && html`<td><input type="checkbox" aria-label=${`Choose ${j.id}`} checked=${chosen.has(j.id)}
          onChange=${(e) => choose([j.id], e.target.checked)} /></td>`}
        <td><${JobLink} id=${j.id} /></td>
        <td>${j.task}</td>
        <td><${Badge} state=${j.state} />${j.progress && html` <${Progress} progress=${j.progress} />`}${j.error && html` <span class="dim small">${j.error.code}</span>`}</td>
        <td>${j.attempt}/${j.max_attempts}</td>
        <td><${Time} at=${j.created_at} /></td>
        <td>${j.started_at && j.finished_at ? took(j) : '–'}</td>
        <td>${(j.tags ?? []).map((t) => html`<a class="tag" href=${`#/jobs?tag=${encodeURIComponent(t)}`}>${t}</a>`)}</td>
      </tr>`,
    )}</tbody>
  </table></div>`;
}
