// workers.js - the pools, and the scoreboard of their worker processes.
import { send } from './api.js';
import { Act, Badge, Failure, Failures, JobLink, Loading, Progress, Time, WorkerState, bytesText, count, duration, html, plural, usePoll } from './ui.js';

function Board({ pool, workers }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Workers of ${pool}`}><table class="board">
    <thead><tr><th>Slot</th><th>State</th><th>Job</th><th class="num">Pid</th><th class="num">Jobs done</th><th class="num">Memory</th><th class="num">CPU</th><th>Born</th><th class="num">Replaced</th></tr></thead>
    <tbody>${workers.map(
      (w) => html`<tr key=${w.slot}>
        <td>${w.slot}</td><td><${WorkerState} w=${w} /></td>
        <td>${w.job ? html`${w.task} <${JobLink} id=${w.job} /> <${Progress} progress=${w.progress} />` : html`<span class="dim">–</span>`}</td>
        <td class="num mono">${w.pid ?? '–'}</td><td class="num">${count(w.jobs_done)}</td>
        <td class="num">${bytesText(w.rss_bytes)}${w.processes > 1 && html` <span class="dim small">${w.processes} processes</span>`}</td>
        <td class="num">${w.cpu_seconds < 0.01 ? '0 s' : duration(w.cpu_seconds)}</td>
        <td>${w.started_at ? html`<${Time} at=${w.started_at} />` : '–'}</td><td class="num">${w.restarts ? `${count(w.restarts)}×` : '–'}</td>
      </tr>`,
    )}</tbody></table></div>`;
}

export function Workers() {
  const pools = usePoll('/v1/pools');
  const workers = usePoll('/v1/workers', { ms: 1000 });
  const stats = usePoll('/v1/stats');
  if (!pools.data || !workers.data) {
    const error = pools.error || workers.error;
    return error ? html`<h1>Workers</h1><${Failure} error=${error} />` : html`<${Loading} />`;
  }
  const flip = (p) => async () => (await send('POST', `/v1/pools/${p.name}/${p.paused ? 'resume' : 'pause'}`), pools.again());
  const now = new Map((stats.data?.pools ?? []).map((p) => [p.name, p]));
  const busy = (p) => {
    const f = now.get(p.name);
    if (!f) return null;
    return html`<span class="gauge"><meter min="0" max=${Math.max(1, p.workers)} value=${f.busy} aria-label=${`busy workers of ${p.name}`}></meter> ${f.busy} of ${p.workers} busy</span>
      ${f.deaths > 0 && html`<span class="dim small">${f.deaths} died unasked</span>`}
      ${f.retry_in !== undefined && html`<span class="error small">die at birth, ${f.failures} in a row; the next is tried in ${duration(f.retry_in)}</span>`}`;
  };
  return html`<h1>Workers</h1>
    <${Failures} of=${[pools, workers, stats]} />
    ${pools.data.pools.map(
      (p) => html`<section class="pool">
        <div class="section-head"><h2>${p.name} ${p.paused && html`<${Badge} state="cancelled">paused</${Badge}>`}</h2>${busy(p)}
          <span class="tools"><${Act} needs="control" run=${flip(p)}>${p.paused ? 'Resume' : 'Pause'}</${Act}></span></div>
        <p class="dim small">${plural(p.workers, 'worker')}, at most ${p.max_workers} · ${p.start_method}${p.nice ? ` · nice ${p.nice}` : ''}${p.affinity ? ` · CPUs ${p.affinity}` : ''} · ${p.tasks.length ? p.tasks.join(', ') : 'no task'}</p>
        <${Board} pool=${p.name} workers=${workers.data.workers.filter((w) => w.pool === p.name)} />
      </section>`,
    )}`;
}
