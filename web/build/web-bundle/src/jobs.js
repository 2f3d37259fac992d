// jobs.js - lists of jobs: filters that stand in the address, pages, and changes of many.
import { useEffect, useState } from 'preact/hooks';
import { send } from './api.js';
import { JobTable } from './overview.js';
import { Act, Failure, Loading, STATES, html, usePoll } from './ui.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

function address(query, change) {
  const q = new URLSearchParams(query);
  for (const [k, v] of Object.entries(change)) {
    if (v) q.set(k, v);
    else q.delete(k);
  }
  if (!('cursor' in change)) q.delete('cursor');
  const text = q.toString();
  return `#/jobs${text ? `?${text}` : ''}`;
}

function Filters({ query, tasks }) {
  const go = (change) => (location.hash = address(query, change));
  const search = (e) => {
    e.preventDefault();
    const text = new FormData(e.target).get('search').trim();
    if (UUID.test(text)) location.hash = `#/jobs/${text.toLowerCase()}`;
    else go({ tag: text });
  };
  return html`<form class="filters" onSubmit=${search}>
    <label>State <select value=${query.get('state') ?? ''} onChange=${(e) => go({ state: e.target.value })}>
      <option value="">any</option>${STATES.map((s) => html`<option value=${s}>${s}</option>`)}
    </select></label>
    <label>Task <select value=${query.get('task') ?? ''} onChange=${(e) => go({ task: e.target.value })}>
      <option value="">any</option>${tasks.map((t) => html`<option value=${t.name}>${t.name}</option>`)}
    </select></label>
    <label class="grow">Tag or id <input name="search" type="search" maxlength="64" value=${query.get('tag') ?? ''} placeholder="a tag, or a whole id" /></label>
    <button>Search</button>
    ${query.get('group') && html`<button type="button" onClick=${() => go({ group: '' })}>All groups</button>`}
  </form>`;
}

/** What can be done to many: the chosen, or all that the filter names, a thousand at a time. */
function Bulk({ query, chosen, clear, again }) {
  const state = query.get('state');
  const each = (method, tail) => async () => {
    for (const id of chosen) {
      try {
        await send(method, `/v1/jobs/${id}${tail}`);
      } catch (e) {
        if (e.status !== 409 && e.status !== 404) throw e; // its state does not allow it: left alone
      }
    }
    clear();
    again();
  };
  const all = (act) => async () => {
    const q = new URLSearchParams();
    for (const k of ['state', 'task', 'tag', 'group']) if (query.get(k)) q.set(k, query.get(k));
    while ((await send('POST', `/v1/jobs/${act}?${q}`)).more);
    again();
  };
  const n = chosen.size;
  if (n > 0)
    return html`<div class="bar" role="group" aria-label="Chosen jobs">
      <span>${n} chosen</span>
      <${Act} run=${each('POST', '/cancel')} confirm=${`Cancel ${n} jobs?`}>Cancel</${Act}>
      <${Act} run=${each('POST', '/retry')} confirm=${`Run ${n} jobs again?`}>Retry</${Act}>
      <${Act} run=${each('DELETE', '')} confirm=${`Forget ${n} jobs, with their results?`} kind="danger">Delete</${Act}>
      <button type="button" onClick=${clear}>None</button>
    </div>`;
  const open = ['scheduled', 'queued', 'running'].includes(state);
  const bad = ['failed', 'cancelled', 'expired'].includes(state);
  if (!state) return null;
  return html`<div class="bar" role="group" aria-label="All jobs of this filter">
    <span>All that are ${state}:</span>
    ${open && html`<${Act} run=${all('cancel')} confirm=${`Cancel all ${state} jobs of this filter?`}>Cancel all</${Act}>`}
    ${bad && html`<${Act} run=${all('retry')} confirm=${`Run all ${state} jobs of this filter again?`}>Retry all</${Act}>`}
    ${!open && html`<${Act} run=${all('delete')} confirm=${`Forget all ${state} jobs of this filter, with their results?`} kind="danger">Delete all</${Act}>`}
  </div>`;
}

export function Jobs({ query }) {
  const q = new URLSearchParams();
  for (const k of ['state', 'task', 'tag', 'group', 'cursor']) if (query.get(k)) q.set(k, query.get(k));
  q.set('limit', '50');
  const page = usePoll(`/v1/jobs?${q}`);
  const tasks = usePoll('/v1/tasks', 30000);
  const [chosen, setChosen] = useState(new Set());
  useEffect(() => setChosen(new Set()), [String(q)]);
  const choose = (ids, on) => {
    const next = new Set(chosen);
    for (const id of ids) on ? next.add(id) : next.delete(id);
    setChosen(next);
  };
  const next = page.data?.next && new URL(page.data.next, location.origin).searchParams.get('cursor');
  return html`
    <h1>Jobs</h1>
    <${Filters} query=${query} tasks=${tasks.data?.tasks ?? []} />
    <${Bulk} query=${query} chosen=${chosen} clear=${() => setChosen(new Set())} again=${page.again} />
    <${Failure} error=${page.error} />
    ${!page.data
      ? !page.error && html`<${Loading} />`
      : page.data.jobs.length === 0
        ? html`<p class="note">No job fits${query.get('cursor') ? ' on this page' : ''}.</p>`
        : html`<${JobTable} jobs=${page.data.jobs} chosen=${chosen} choose=${choose} />`}
    <nav class="bar" aria-label="Pages of the list">
      ${query.get('cursor') && html`<a class="button" href=${address(query, { cursor: '' })}>Newest</a>`}
      ${query.get('cursor') && html`<button type="button" onClick=${() => history.back()}>Back</button>`}
      ${next && html`<a class="button" href=${address(query, { cursor: next })}>Older</a>`}
    </nav>
  `;
}
