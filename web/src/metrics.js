// metrics.js - what /metrics tells, read for people: for each task how many failed, how long jobs waited and ran.
import { useEffect, useState } from 'preact/hooks';
import { text } from './api.js';
import { parse, quantile } from './prometheus.js';
import { count, duration, html, usePoll } from './ui.js';

const of = (all, name, task) => (all.get(name) ?? []).filter((s) => task === null || s.labels.task === task);
const sum = (rows) => rows.reduce((n, s) => n + s.value, 0);

/** [[upper bound, how many are at most that], …] of a task, or of all. */
function buckets(all, name, task) {
  const by = new Map();
  for (const s of of(all, `${name}_bucket`, task)) {
    const le = s.labels.le === '+Inf' ? Infinity : Number(s.labels.le);
    by.set(le, (by.get(le) ?? 0) + s.value);
  }
  return [...by].sort((a, b) => a[0] - b[0]);
}

/** One table of figures less an older one; what the service counts begins anew when it starts anew. */
function less(now, old) {
  const rows = new Map(old.map((r) => [r[0], r[1]]));
  return now.map(([le, n]) => [le, Math.max(0, n - (rows.get(le) ?? 0))]);
}

function figures(now, old, task) {
  const attempts = (all, outcomes) => sum(of(all, 'jobmill_attempts_total', task).filter((s) => outcomes.includes(s.labels.outcome)));
  const since = (outcomes) => Math.max(0, attempts(now, outcomes) - (old ? attempts(old, outcomes) : 0));
  const times = (name) => {
    const rows = buckets(now, name, task);
    return old ? less(rows, buckets(old, name, task)) : rows;
  };
  const bad = since(['failed', 'timeout', 'crashed', 'out_of_memory']);
  return {
    task,
    waiting: sum(of(now, 'jobmill_queue_depth', task).filter((s) => s.labels.state === 'queued')),
    oldest: Math.max(0, ...of(now, 'jobmill_queue_oldest_age_seconds', task).map((s) => s.value)),
    done: bad + since(['succeeded']),
    bad,
    wait: times('jobmill_job_wait_seconds'),
    run: times('jobmill_job_run_seconds'),
  };
}

function Span({ rows, share }) {
  const q = quantile(rows, share);
  return html`<td>${q ? `${q.over ? '> ' : ''}${duration(q.at)}` : '–'}</td>`;
}

let first = null; // what the figures were when this tab was opened

export function Figures({ news }) {
  const poll = usePoll('/metrics', 5000, text, news);
  const [recent, setRecent] = useState(false);
  const now = poll.data && parse(poll.data);
  useEffect(() => {
    if (now && !first) first = now;
  }, [poll.data]);
  if (!now) return null;
  const old = recent ? first : null;
  const tasks = [...new Set(of(now, 'jobmill_attempts_total', null).map((s) => s.labels.task))];
  const rows = tasks.map((t) => figures(now, old, t)).filter((f) => f.done || f.waiting);
  if (rows.length > 1) rows.push({ ...figures(now, old, null), task: null });
  return html`<section><h2>Times by task <label class="small dim">since <select value=${recent ? 'tab' : 'start'} onChange=${(e) => setRecent(e.target.value === 'tab')}>
      <option value="start">the service started</option><option value="tab">this tab was opened</option></select></label></h2>
    ${rows.length === 0
      ? html`<p class="dim">Nothing has run.</p>`
      : html`<div class="scroll" tabindex="0" role="region" aria-label="Times by task"><table class="figures">
        <thead><tr><th>Task</th><th>Waiting</th><th>Oldest waits</th><th>Attempts</th><th>Failed</th><th>Wait p50</th><th>Wait p95</th><th>Run p50</th><th>Run p95</th></tr></thead>
        <tbody>${rows.map(
          (f) => html`<tr key=${f.task}><td>${f.task === null ? html`<strong>all</strong>` : html`<a href=${`#/jobs?task=${f.task}`}>${f.task}</a>`}</td>
            <td>${count(f.waiting)}</td><td>${f.oldest ? duration(f.oldest) : '–'}</td><td>${count(f.done)}</td>
            <td class=${f.bad ? 'error' : ''}>${f.done ? `${((100 * f.bad) / f.done).toFixed(1)} %` : '–'}</td>
            <${Span} rows=${f.wait} share=${0.5} /><${Span} rows=${f.wait} share=${0.95} /><${Span} rows=${f.run} share=${0.5} /><${Span} rows=${f.run} share=${0.95} /></tr>`,
        )}</tbody></table></div>`}
  </section>`;
}
