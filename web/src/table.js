// table.js - jobs as a table, which is a list of cards where it is narrow.
import { Badge, JobLink, Progress, Time, duration, html, useNow } from './ui.js';

/** The API's times have milliseconds. */
function Took({ job }) {
  const now = useNow();
  if (!job.started_at) return html`<span class="dim">–</span>`;
  const ms = (job.finished_at ? new Date(job.finished_at) : now) - new Date(job.started_at);
  return ms < 1 ? '< 1 ms' : duration(ms / 1000);
}

export function JobTable({ jobs, chosen, choose }) {
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
        <td class="state"><${Badge} state=${j.state} />${j.progress && html` <${Progress} progress=${j.progress} />`}${j.error && html` <span class="dim small">${j.error.code}</span>`}</td>
        <td class="num tries" title=${`attempt ${j.attempt} of ${j.max_attempts}`}>${j.attempt}/${j.max_attempts}</td>
        <td class="when"><${Time} at=${j.created_at} /></td>
        <td class="num took"><${Took} job=${j} /></td>
        <td class="tags">${(j.tags ?? []).map((t) => html`<a class="tag" href=${`#/jobs?tag=${encodeURIComponent(t)}`}>${t}</a>`)}</td>
      </tr>`,
    )}</tbody>
  </table></div>`;
}
