// workers.js - the pools and their worker processes.
import { send } from './api.js';
import { Worker } from './overview.js';
import { Act, Failure, Loading, duration, html, usePoll } from './ui.js';

export function Workers() {
  const pools = usePoll('/v1/pools');
  const workers = usePoll('/v1/workers', 1000);
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
    return html`<span class="small"><meter min="0" max=${Math.max(1, p.workers)} value=${f.busy} aria-label=${`busy workers of ${p.name}`}></meter> ${f.busy} of ${p.workers} busy</span>
      ${f.deaths > 0 && html`<span class="dim small">${f.deaths} died unasked</span>`}
      ${f.retry_in !== undefined && html`<span class="error small">die at birth, ${f.failures} in a row; the next is tried in ${duration(f.retry_in)}</span>`}`;
  };
  return html`<h1>Workers</h1>
    <${Failure} error=${pools.error || workers.error} />
    ${pools.data.pools.map(
      (p) => html`<section>
        <h2>${p.name} <small class="dim">${p.live} of ${p.workers} live · ${p.start_method}</small> ${p.paused && html`<span class="badge cancelled">paused</span>`}</h2>
        <div class="bar"><${Act} run=${flip(p)}>${p.paused ? 'Resume' : 'Pause'}</${Act}>${busy(p)}<span class="dim small">${p.tasks.join(', ')}</span></div>
        <ul class="tiles">${workers.data.workers.filter((w) => w.pool === p.name).map((w) => html`<${Worker} key=${w.slot} w=${w} />`)}</ul>
      </section>`,
    )}`;
}
