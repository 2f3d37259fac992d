// table.js - jobs as a table, which is a list of cards where it is narrow.
import { Badge, JobLink, Progress, Time, duration, html, short, useNow } from './ui.js';

/** What it waits for that is not told by its state. */
function Waits({ job }) {
  let text = null;
  if (job.cancel_requested && job.state === 'running') text = 'being cancelled';
  else if (job.waiting_for) text = `waits for ${job.waiting_for}`;
  else if (job.state === 'scheduled') text = html`due <${Time} at=${job.run_at} />`;
  else if (job.held) text = `waits for ${job.concurrency_key}`;
  return text && html` <span class="dim small">${text}</span>`;
}

/** The API's times have milliseconds. */
function Took({ job }) {
  const now = useNow();
  if (!job.started_at || !(job.finished_at || job.state === 'running')) return html`<span class="dim">–</span>`;
  const ms = (job.finished_at ? new Date(job.finished_at) : now) - new Date(job.started_at);
  return ms < 1 ? '< 1 ms' : duration(ms / 1000);
}

export function JobTable({ jobs, chosen, choose, grouped }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Jobs"><table class=${`jobs ${choose ? 'choice' : ''}`}>
    <thead><tr>
      ${choose && html`<th class="check"><input type="checkbox" aria-label="Choose all" checked=${jobs.length > 0 && jobs.every((j) => chosen.has(j.id))}
        onChange=${(e) => choose(jobs.map((j) => j.id), e.target.checked)} /></th>`}
      <th>Task</th><th>Job</th><th>State</th><th class="num">Attempt</th><th>Created</th><th class="num">Took</th><th>Tags</th>
    </tr></thead>
    <tbody>${jobs.map(
      (j) => html`<tr key=${j.id} class=${chosen?.has(j.id) ? 'chosen' : ''}>
        ${choose && html`<td class="check"><input type="checkbox" aria-label=${`Choose ${j.id}`} checked=${chosen.has(j.id)}
          onChange=${(e) => choose([j.id], e.target.checked)} /></td>`}
        <td class="what">${j.task}</td>
        <td class="id"><${JobLink} id=${j.id} /></td>
        <td class="state"><${Badge} state=${j.state} />${j.progress && html` <${Progress} progress=${j.progress} />`}${j.error && html` <span class="dim small">${j.error.code}</span>`}<${Waits} job=${j} /></td>
        <td class="num tries" title=${`attempt ${j.attempt} of ${j.max_attempts}`}>${j.attempt}/${j.max_attempts}</td>
        <td class="when"><${Time} at=${j.created_at} /></td>
        <td class="num took"><${Took} job=${j} /></td>
        <td class="tags">${(j.tags ?? []).map((t) => html`<a class="tag" href=${`#/jobs?tag=${encodeURIComponent(t)}`}>${t}</a>`)}${j.group && !grouped && html`<a class="dim small mono" href=${`#/groups/${j.group}`} title=${`group ${j.group}`}>${short(j.group)}</a>`}</td>
      </tr>`,
    )}</tbody>
  </table></div>`;
}
