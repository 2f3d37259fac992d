// metrics.js - what /metrics tells, read for people: for each task how many failed, how long jobs waited and ran.
import { useEffect, useRef, useState } from 'preact/hooks';
import { text } from './api.js';
import { parse, quantile } from './prometheus.js';
import { Empty, count, duration, html, percent, usePoll } from './ui.js';

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

const oldest = (all, task) => Math.max(0, ...of(all, 'jobmill_queue_oldest_age_seconds', task).map((s) => s.value));

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
    oldest: oldest(now, task),
    done: bad + since(['succeeded']),
    bad,
    wait: times('jobmill_job_wait_seconds'),
    run: times('jobmill_job_run_seconds'),
  };
}

let first = null; // what the figures were when this tab was opened

/** What /metrics tells: {poll, now: {all, oldest}}, oldest being how long the job waits that is next in line; now is null at first. */
export function useMetrics(news) {
  const poll = usePoll('/metrics', { ms: 5000, read: text, news });
  const last = useRef({});
  if (poll.data && last.current.of !== poll.data) {
    const all = parse(poll.data);
    last.current = { of: poll.data, all, oldest: oldest(all, null) };
  }
  useEffect(() => {
    if (last.current.all && !first) first = last.current.all;
  }, [poll.data]);
  return { poll, now: poll.data ? last.current : null };
}

function Span({ rows, share }) {
  const q = quantile(rows, share);
  return html`<td class="num">${q ? `${q.over ? '> ' : ''}${duration(q.at)}` : '–'}</td>`;
}

export function Figures({ now }) {
  const [recent, setRecent] = useState(false);
  if (!now) return null;
  const old = recent ? first : null;
  const tasks = [...new Set(of(now.all, 'jobmill_attempts_total', null).map((s) => s.labels.task))];
  const rows = tasks.map((t) => figures(now.all, old, t)).filter((f) => f.done || f.waiting);
  if (rows.length > 1) rows.push(figures(now.all, old, null));
  return html`<section><div class="section-head"><h2>Times by task</h2><label class="inline">since <select value=${recent ? 'tab' : 'start'} onChange=${(e) => setRecent(e.target.value === 'tab')}>
      <option value="start">the service started</option><option value="tab">this tab was opened</option></select></label></div>
    ${rows.length === 0
      ? html`<${Empty} title="Nothing has run." />`
      : html`<div class="scroll" tabindex="0" role="region" aria-label="Times by task"><table class="figures-table">
        <thead><tr><th>Task</th><th class="num">Waiting</th><th class="num">Oldest waits</th><th class="num">Attempts</th><th class="num">Failed</th><th class="num">Wait p50</th><th class="num">Wait p95</th><th class="num">Run p50</th><th class="num">Run p95</th></tr></thead>
        <tbody>${rows.map(
          (f) => html`<tr key=${f.task} class=${f.task === null ? 'all' : ''}><td>${f.task === null ? 'all' : html`<a href=${`#/jobs?task=${f.task}`}>${f.task}</a>`}</td>
            <td class="num">${count(f.waiting)}</td><td class="num">${f.oldest ? duration(f.oldest) : '–'}</td><td class="num">${count(f.done)}</td>
            <td class=${`num ${f.bad ? 'error' : ''}`}>${percent(f.bad, f.done)}</td>
            <${Span} rows=${f.wait} share=${0.5} /><${Span} rows=${f.wait} share=${0.95} /><${Span} rows=${f.run} share=${0.5} /><${Span} rows=${f.run} share=${0.95} /></tr>`,
        )}</tbody></table></div>`}
  </section>`;
}
