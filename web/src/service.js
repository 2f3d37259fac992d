// service.js - the service itself: who did what, what its settings are, and what the caller may do.
import { useState } from 'preact/hooks';
import { caller } from './api.js';
import { Badge, Empty, Failure, Failures, Loading, Time, bytesText, count, duration, html, usePoll } from './ui.js';

const DENIED = (error, what) => (error?.status === 403 ? html`<${Empty} title=${`${what} is for tokens with the scope admin`} />` : html`<${Failure} error=${error} />`);

function Audit() {
  const all = usePoll('/v1/audit', { ms: 5000 });
  if (!all.data) return all.error ? DENIED(all.error, 'The audit log') : html`<${Loading} />`;
  if (all.data.records.length === 0) return html`<${Empty} title="Nobody has done anything yet">Cancel, retry, delete, pause, resume and changes of schedules are told here.</${Empty}>`;
  return html`<${Failures} of=${[all]} /><div class="scroll" tabindex="0" role="region" aria-label="Audit log"><table>
    <thead><tr><th>When</th><th>Who</th><th>Act</th><th>What</th><th>Result</th><th class="num">Jobs</th><th>From</th><th>Request</th></tr></thead>
    <tbody>${all.data.records.map(
      (r) => html`<tr key=${r.request_id + r.time}><td><${Time} at=${r.time} /></td><td>${r.who || html`<span class="dim">–</span>`}</td><td>${r.act}</td><td class="mono">${r.what}</td>
        <td><${Badge} state=${r.result === 'ok' ? 'succeeded' : 'failed'}>${r.result}</${Badge}></td><td class="num">${r.changed ?? ''}</td><td class="mono">${r.remote}</td><td class="mono dim">${r.request_id}</td></tr>`,
    )}</tbody></table></div>`;
}

function shown(s) {
  if (s.value === '') return html`<span class="dim">not set</span>`;
  if (typeof s.value === 'boolean') return s.value ? 'yes' : 'no';
  if (s.unit === 'bytes') return bytesText(s.value);
  if (s.unit === 'seconds') return s.value ? duration(s.value).replace('.0 s', ' s').replace(/ 0 (s|min|h)$/, '') : '0';
  return typeof s.value === 'number' ? `${count(s.value)} ${s.unit ?? ''}` : s.value;
}

function Settings() {
  const all = usePoll('/v1/settings', { ms: 60000 });
  const [changed, setChanged] = useState(false);
  if (!all.data) return all.error ? DENIED(all.error, 'What is set') : html`<${Loading} />`;
  const rows = all.data.settings.filter((s) => !changed || s.changed);
  return html`<div class="section-head"><h2>Settings <small class="dim">${all.data.file ?? 'no file was read'}</small></h2>
      <label class="inline"><input type="checkbox" checked=${changed} onChange=${(e) => setChanged(e.target.checked)} /> only those that are not the default</label></div>
    <${Failures} of=${[all]} />
    <div class="scroll" tabindex="0" role="region" aria-label="Settings"><table class="settings">
    <thead><tr><th>Setting</th><th>Value</th><th>What it is</th></tr></thead>
    <tbody>${rows.map((s) => html`<tr key=${s.name} class=${s.changed ? 'all' : ''}><td class="mono">${s.name}</td><td>${shown(s)}</td><td>${s.help}</td></tr>`)}</tbody></table></div>`;
}

export function Service() {
  const who = caller.value;
  return html`<h1>Service</h1>
    ${who && html`<dl class="strip"><div><dt>You are</dt><dd>${who.name ?? 'anybody: there are no tokens'}</dd></div><div><dt>You may</dt><dd>${who.scopes.join(', ')}</dd></div>
      <div><dt>You see</dt><dd>${who.read_all ? 'all jobs' : 'your own jobs'}</dd></div>${who.tasks && html`<div><dt>Tasks</dt><dd>${who.tasks.join(', ')}</dd></div>`}${who.expires_at && html`<div><dt>Until</dt><dd><${Time} at=${who.expires_at} /></dd></div>`}</dl>`}
    <section><h2>Who did what</h2><${Audit} /></section>
    <section><${Settings} /></section>`;
}
