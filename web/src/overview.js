// overview.js - what goes on: the figures that matter, charts, workers, times by task, the newest jobs.
import { useEffect, useRef } from 'preact/hooks';
import { beside, clock } from './api.js';
import { History, useHistory } from './history.js';
import { Figures, useMetrics } from './metrics.js';
import { JobTable } from './table.js';
import { Empty, Failure, Failures, JobLink, Loading, Progress, STATES, WorkerState, bytesText, count, duration, html, percent, plural, useNow, usePoll } from './ui.js';

export function Worker({ w }) {
  return html`<li class=${`tile ${w.state}`}>
    <div class="tile-head"><strong>${w.pool} ${w.slot}</strong><${WorkerState} w=${w} /></div>
    ${w.job
      ? html`<div class="tile-job"><span>${w.task}</span> <${JobLink} id=${w.job} /></div><${Progress} progress=${w.progress} />`
      : html`<div class="dim">${w.state === 'idle' ? 'waits for a job' : '…'}</div>`}
    <div class="dim small">pid ${w.pid ?? '–'} · ${plural(w.jobs_done, 'job')} · ${bytesText(w.rss_bytes)}</div>
  </li>`;
}

/** Attempts that ended each second, between the last two looks at the figures. */
function useRate(poll) {
  const looks = useRef([]);
  if (poll.data && looks.current.at(-1)?.at !== poll.at) looks.current = [...looks.current, { at: poll.at, n: poll.data.writer.finished }].slice(-2);
  const [a, b] = looks.current;
  return b && b.at > a.at ? (Math.max(0, b.n - a.n) * 1000) / (b.at - a.at) : 0;
}

function Figure({ name, value, unit, more, kind = '', href }) {
  const inner = html`<span class="name">${name}</span><strong>${value}${unit && html` <small>${unit}</small>`}</strong><span class="more">${more}</span>`;
  return html`<li class=${`figure ${kind}`}>${href ? html`<a href=${href}>${inner}</a>` : html`<div>${inner}</div>`}</li>`;
}

export function Overview() {
  const stats = usePoll('/v1/stats');
  const news = useRef({ stats: null, at: 0 });
  if (stats.data !== news.current.stats) news.current = { stats: stats.data, at: Date.now() };
  const workers = usePoll('/v1/workers', { news });
  const jobs = usePoll('/v1/jobs?limit=10', { news });
  const fine = useHistory(5, 5000, news);
  const metrics = useMetrics(news);
  const born = useRef({});
  const rate = useRate(stats);
  const now = useNow();
  useEffect(() => fine.again(), [Boolean(stats.data)]);
  if (!stats.data) return stats.error ? html`<h1>Overview</h1><${Failure} error=${stats.error} />` : html`<${Loading} />`;
  const s = stats.data;
  if (born.current.of !== s) born.current = { of: s, at: clock() - s.uptime * 1000 };
  const span = fine.data?.span;
  const ended = span ? span.succeeded + span.failed : 0;
  const oldest = metrics.now?.oldest;
  const time = (v) => (v == null ? '–' : duration(v));
  return html`
    <h1>Overview</h1>
    <${Failures} of=${[stats, workers, jobs, fine, metrics.poll]} />
    <ul class="figures" aria-label="Figures">
      <${Figure} name="Waiting" value=${count(s.queue_depth)} more=${oldest ? `the oldest for ${duration(oldest)}` : 'nothing is kept waiting'} kind=${oldest > 60 ? 'warn' : ''} href="#/jobs?state=queued" />
      <${Figure} name="Throughput" value=${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} unit="attempts/s" more=${span ? `${count(ended)} in 15 min` : ''} />
      <${Figure} name="Errors" value=${percent(span?.failed ?? 0, ended)} more=${span ? `${plural(span.failed, 'attempt')} in 15 min` : ''} kind=${span?.failed ? 'bad' : ''} href="#/jobs?state=failed" />
      <${Figure} name="Wait" value=${time(span?.wait_p50)} unit="p50" more=${`p95 ${time(span?.wait_p95)}`} />
      <${Figure} name="Run" value=${time(span?.run_p50)} unit="p50" more=${`p95 ${time(span?.run_p95)}`} />
      <${Figure} name="Workers busy" value=${s.workers.busy} unit=${`of ${s.workers.total}`} more=${html`<meter min="0" max=${Math.max(1, s.workers.total)} value=${s.workers.busy} aria-label="busy workers"></meter>`} href="#/workers" />
    </ul>
    <ul class="counts" aria-label="Jobs by state">
      ${STATES.map((state) => html`<li class=${`${state} ${s.jobs[state] ? '' : 'zero'}`}><a href=${`#/jobs?state=${state}`}><span>${state}</span><strong>${count(s.jobs[state])}</strong></a></li>`)}
    </ul>
    <${History} news=${news} fine=${fine} />
    <section><div class="section-head"><h2>Workers</h2><a href="#/workers">All workers</a></div>
      <ul class="tiles">${(workers.data?.workers ?? []).slice(0, 12).map((w) => html`<${Worker} key=${w.slot} w=${w} />`)}</ul></section>
    <${Figures} now=${metrics.now} />
    <section><div class="section-head"><h2>Newest jobs</h2><a href="#/jobs">All jobs</a></div>
    ${jobs.data?.jobs.length === 0
      ? html`<${Empty} title="There is no job yet">Try <code>curl ${beside('/v1/jobs')} -d '${'{"task":"primes","input":{"limit":10000000}}'}'</code>, or submit one from <a href="#/tasks">Tasks</a>.</${Empty}>`
      : html`<${JobTable} jobs=${jobs.data?.jobs ?? []} />`}</section>
    <section><h2>Service</h2>
      <dl class="strip">
        <div><dt>Up for</dt><dd>${duration(Math.max(0, now - born.current.at) / 1000)}</dd></div>
        <div><dt>Store</dt><dd>${bytesText(s.store.db_bytes + s.store.wal_bytes)}</dd></div>
        <div><dt>Commit, mean</dt><dd>${duration(s.writer.commits ? s.writer.commit_seconds / s.writer.commits : 0)}</dd></div>
        <div><dt>Clients waiting</dt><dd>${count(s.http.waiting)}</dd></div>
        <div><dt>Connections</dt><dd>${count(s.http.connections)}</dd></div>
        <div><dt>Sandbox</dt><dd>${s.sandbox.strongest}</dd></div>
        <div><dt>Version</dt><dd>${s.version}</dd></div>
      </dl></section>
  `;
}
