// group.js - a group of jobs: how far it is, what its call back came to, its jobs; and the calls of a callback_url.
import { save, sendAll } from './api.js';
import { JobTable } from './table.js';
import { Act, Failure, Failures, Loading, STATES, Time, count, html, usePoll } from './ui.js';

const KIND = { delivered: 'succeeded', given_up: 'failed', waiting: 'queued' };

/** The calls of the callback_url of a job or group. */
export function Deliveries({ url, deliveries }) {
  if (!url) return null;
  return html`<section><h2>Calls back</h2>
    <p class="wrap"><code>${url}</code></p>
    ${!deliveries?.length
      ? html`<p class="dim">Called when it has ended.</p>`
      : html`<div class="scroll" tabindex="0" role="region" aria-label="Calls of the callback_url"><table>
          <thead><tr><th>Call</th><th>State</th><th>Tries</th><th>Last answer</th><th>Next</th></tr></thead>
          <tbody>${deliveries.map(
            (d) => html`<tr>
              <td class="mono" title=${d.id}>…${d.id.slice(-12)}</td>
              <td><span class=${`badge ${KIND[d.state]}`}>${d.state.replace('_', ' ')}</span></td>
              <td>${d.attempts}</td>
              <td>${d.last_status ?? ''} ${d.last_error ?? ''}</td>
              <td>${d.next_at ? html`<${Time} at=${d.next_at} />` : '–'}</td>
            </tr>`,
          )}</tbody></table></div>`}
  </section>`;
}

export function Group({ id }) {
  const group = usePoll(`/v1/groups/${id}`);
  const jobs = usePoll(`/v1/jobs?group=${id}&limit=50`);
  const g = group.data;
  if (!g) return group.error ? html`<h1>Group</h1><${Failure} error=${group.error} />` : html`<${Loading} />`;
  const ended = g.counts.succeeded + g.counts.failed + g.counts.cancelled + g.counts.expired;
  const bad = g.counts.failed + g.counts.cancelled + g.counts.expired;
  const all = (act, states) => async () => {
    for (const state of states) await sendAll(`/v1/jobs/${act}?group=${id}&state=${state}`);
    group.again();
    jobs.again();
  };
  return html`
    <p class="crumbs"><a href="#/jobs">Jobs</a> <span aria-hidden="true">/</span> group</p>
    <div class="title"><h1>Group <span class="mono">…${g.id.slice(-12)}</span> <span class=${`badge ${g.done ? (bad ? 'failed' : 'succeeded') : 'running'}`}>${g.done ? 'done' : 'goes on'}</span></h1>
    <div class="bar">
      ${!g.done && html`<${Act} needs="control" run=${all('cancel', ['scheduled', 'queued', 'running'])} confirm="Cancel all jobs of this group that have not ended?">Cancel all</${Act}>`}
      ${bad > 0 && html`<${Act} needs="control" run=${all('retry', ['failed', 'cancelled', 'expired'])} confirm=${`Run ${bad} jobs again?`}>Retry ${count(bad)}</${Act}>`}
      <a class="button" href=${`#/jobs?group=${g.id}`}>All its jobs</a>
      <${Act} run=${() => save(`/v1/groups/${g.id}/results`)}>Save its results</${Act}>
    </div></div>
    <${Failures} of=${[group, jobs]} />
    <div class="wide-progress"><progress max=${Math.max(1, g.total)} value=${ended} aria-label="jobs that have ended"></progress><span>${count(ended)} of ${count(g.total)} have ended · submitted <${Time} at=${g.created_at} />${g.finished_at && html`, ended <${Time} at=${g.finished_at} />`}</span></div>
    <ul class="mini">${STATES.filter((s) => g.counts[s] > 0).map((s) => html`<li><a href=${`#/jobs?group=${g.id}&state=${s}`}><span class=${`badge ${s}`}>${count(g.counts[s])} ${s}</span></a></li>`)}</ul>
    <${Deliveries} url=${g.callback_url} deliveries=${g.deliveries} />
    <h2>Newest of its jobs</h2>
    <${JobTable} jobs=${jobs.data?.jobs ?? []} grouped />
  `;
}
