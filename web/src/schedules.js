// schedules.js - jobs by the clock: what there is, when it runs next, and making one.
import { useState } from 'preact/hooks';
import { may, send } from './api.js';
import { cronWords } from './cronwords.js';
import { add } from './jsontext.js';
import { Act, Empty, Failure, Failures, Form, JobLink, Loading, Time, html, usePoll } from './ui.js';

/** As the clock of the schedule's zone shows it; a browser may not know the zone. */
function inZone(text, timeZone) {
  const as = { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', timeZoneName: 'short' };
  try {
    return new Date(text).toLocaleString([], { ...as, timeZone });
  } catch {
    return new Date(text).toLocaleString([], as);
  }
}

function Schedule({ s, again }) {
  const at = `/v1/schedules/${s.name}`;
  const flip = async () => (await send('POST', `${at}/${s.paused ? 'resume' : 'pause'}`), again());
  const now = async () => (await send('POST', `${at}/run`), again());
  const drop = async () => (await send('DELETE', at), again());
  return html`<section class="card">
    <h2>${s.name} ${s.paused && html`<span class="badge cancelled">paused</span>`}</h2>
    <p>${cronWords(s.cron) && html`<span class="words">${cronWords(s.cron)}</span><br />`}<code>${s.cron}</code> in ${s.time_zone}, runs <a href=${`#/jobs?task=${s.job.task}`}>${s.job.task}</a></p>
    <dl class="facts">
      <dt>Last</dt><dd>${s.last_run_at ? html`<${Time} at=${s.last_run_at} />` : 'never'} ${s.last_job && html`<${JobLink} id=${s.last_job} />`}</dd>
      <dt>While it still runs</dt><dd>${s.overlap}</dd>
      <dt>Missed runs</dt><dd>${s.missed}</dd>
    </dl>
    <p class="small dim">Next five runs</p>
    <ol class="next">${s.next.map((t) => html`<li><time datetime=${t}>${inZone(t, s.time_zone)}</time></li>`)}</ol>
    <div class="bar"><${Act} needs="control" run=${now}>Run now</${Act}>
      <${Act} needs="control" run=${flip}>${s.paused ? 'Resume' : 'Pause'}</${Act}>
      <${Act} needs="control" run=${drop} confirm=${`Remove the schedule ${s.name}?`} kind="danger">Remove</${Act}></div>
  </section>`;
}

function Make({ tasks, again }) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  const [v, set] = useState({ name: '', cron: '0 3 * * *', time_zone: zone, overlap: 'skip', missed: 'once', task: '', input: 'null' });
  const put = (k) => (e) => set({ ...v, [k]: e.target.value });
  const run = async () => {
    const { task, input, ...rest } = v;
    await send('POST', '/v1/schedules', add(rest, 'job', add({ task }, 'input', input)));
    again();
  };
  return html`<details class="submit"><summary>Make a schedule</summary><${Form} run=${run} send="Make">
    <label for="s-name">Name</label><input id="s-name" value=${v.name} onInput=${put('name')} required pattern="[a-z0-9][a-z0-9_.\\-]*" maxlength="64" title="a to z, 0 to 9, and after the first _ . -" />
    <label for="s-cron">Cron <span class="dim small">minute hour day month weekday, or @hourly</span></label><input id="s-cron" value=${v.cron} onInput=${put('cron')} required maxlength="256" aria-describedby="s-words" /><span id="s-words" class="dim small">${cronWords(v.cron)}</span>
    <label for="s-zone">Time zone</label><input id="s-zone" value=${v.time_zone} onInput=${put('time_zone')} required maxlength="64" />
    <label for="s-over">While its last job still runs</label><select id="s-over" value=${v.overlap} onChange=${put('overlap')}><option>skip</option><option>queue</option><option>replace</option></select>
    <label for="s-miss">Missed runs are made up for</label><select id="s-miss" value=${v.missed} onChange=${put('missed')}><option>once</option><option>none</option></select>
    <label for="s-task">Task</label><select id="s-task" required value=${v.task} onChange=${put('task')}><option value=""></option>${tasks.map((t) => html`<option>${t.name}</option>`)}</select>
    <label for="s-in">Input, as JSON</label><textarea id="s-in" rows="3" value=${v.input} onInput=${put('input')}></textarea>
  </${Form}></details>`;
}

export function Schedules({ query }) {
  const cursor = query.get('cursor');
  const all = usePoll(cursor ? `/v1/schedules?cursor=${encodeURIComponent(cursor)}` : '/v1/schedules', { ms: 5000 });
  const tasks = usePoll('/v1/tasks', { ms: 30000 });
  if (!all.data) return all.error ? html`<h1>Schedules</h1><${Failure} error=${all.error} />` : html`<${Loading} />`;
  const next = all.fresh && all.data.next && new URL(all.data.next, location.origin).searchParams.get('cursor');
  return html`<h1>Schedules</h1>
    <${Failures} of=${[all, tasks]} />
    ${may('control') && html`<${Make} tasks=${tasks.data?.tasks ?? []} again=${all.again} />`}
    ${all.data.schedules.length === 0 && html`<${Empty} title="There is no schedule yet">A schedule submits a job by the clock, in a time zone.</${Empty}>`}
    <div class="cards">${all.data.schedules.map((s) => html`<${Schedule} key=${s.name} s=${s} again=${all.again} />`)}</div>
    ${(cursor || next) && html`<div class="bar">${cursor && html`<a class="button" href="#/schedules">First</a>`}
      ${next && html`<a class="button" href=${`#/schedules?cursor=${encodeURIComponent(next)}`}>More</a>`}</div>`}`;
}
