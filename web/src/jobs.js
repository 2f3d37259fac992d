// jobs.js - lists of jobs: filters that stand in the address, pages, and changes of many.
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { may, send, sendAll } from './api.js';
import { JobTable } from './table.js';
import { Act, Empty, Failures, Loading, STATES, count, html, plural, short, usePoll } from './ui.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;
const FILTERS = ['state', 'task', 'tag', 'group', 'created_after', 'created_before', 'text'];

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

/** A time of the address as the field for it wants it: local, without seconds. */
function local(text) {
  const at = new Date(text ?? NaN);
  return Number.isNaN(at.getTime()) ? '' : new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
const whole = (text) => (text ? new Date(text).toISOString() : '');

function States({ query, counts }) {
  const now = query.get('state');
  const tab = (state, name, n) => html`<a href=${address(query, { state })} class=${state ?? ''} aria-current=${(now ?? undefined) === state ? 'true' : undefined}>${name}${n !== undefined && html` <span>${count(n)}</span>`}</a>`;
  return html`<nav class="tabs" aria-label="States">${tab(undefined, 'all')}${STATES.map((s) => tab(s, s, counts?.[s]))}</nav>`;
}

function Filters({ query, tasks }) {
  const go = (change) => (location.hash = address(query, change));
  const [text, setText] = useState('');
  const [tag, setTag] = useState('');
  // with the page: later it would erase what is typed by then
  useLayoutEffect(() => {
    setText(query.get('text') ?? '');
    setTag(query.get('tag') ?? '');
  }, [query.toString()]);
  const search = (e) => {
    e.preventDefault();
    if (UUID.test(text.trim())) location.hash = `#/jobs/${text.trim().toLowerCase()}`;
    else go({ text: text.trim(), tag: tag.trim() });
  };
  const chips = FILTERS.filter((k) => k !== 'state' && query.get(k));
  const shown = { group: short, created_after: (t) => new Date(t).toLocaleString(), created_before: (t) => new Date(t).toLocaleString() };
  const name = { created_after: 'from', created_before: 'until' };
  return html`<form class="filters" onSubmit=${search}>
    <label class="grow">Search <input name="text" type="search" maxlength="100" value=${text} onInput=${(e) => setText(e.target.value)} placeholder="a whole id, or words of input, error, tags" /></label>
    <label>Task <select value=${query.get('task') ?? ''} onChange=${(e) => go({ task: e.target.value })}>
      <option value="">any</option>${tasks.map((t) => html`<option value=${t.name}>${t.name}</option>`)}
    </select></label>
    <label>Tag <input name="tag" maxlength="64" size="12" value=${tag} onInput=${(e) => setTag(e.target.value)} /></label>
    <label>From <input type="datetime-local" value=${local(query.get('created_after'))} onChange=${(e) => go({ created_after: whole(e.target.value) })} /></label>
    <label>Until <input type="datetime-local" value=${local(query.get('created_before'))} onChange=${(e) => go({ created_before: whole(e.target.value) })} /></label>
    <button>Search</button>
  </form>
  ${chips.length > 0 && html`<ul class="chips" aria-label="Filters">${chips.map((k) => html`<li><a href=${address(query, { [k]: '' })} aria-label=${`Drop the filter ${k}`}><span>${name[k] ?? k}</span> ${(shown[k] ?? String)(query.get(k))} <i aria-hidden="true">×</i></a></li>`)}
    ${chips.length > 1 && html`<li><a class="plain" href=${query.get('state') ? `#/jobs?state=${query.get('state')}` : '#/jobs'}>drop all</a></li>`}</ul>`}`;
}

/** What can be done to many: the chosen, or all that the filter names, a thousand at a time. */
function Bulk({ query, chosen, clear, again, many }) {
  const [done, setDone] = useState(null);
  const state = query.get('state');
  const tell = (word, n) => setDone(`${plural(n, 'job')} ${word}.`);
  useEffect(() => setDone(null), [query.toString()]);
  useEffect(() => void (chosen.size && setDone(null)), [chosen.size]);
  const each = (method, tail, word) => async () => {
    let n = 0;
    let left = 0;
    for (const id of chosen) {
      try {
        await send(method, `/v1/jobs/${id}${tail}`);
        n++;
      } catch (e) {
        if (e.status !== 409 && e.status !== 404) throw e; // its state does not allow it: left alone
        left++;
      }
    }
    clear();
    again();
    setDone(`${plural(n, 'job')} ${word}${left ? `; ${left} left alone, as their state does not allow it` : ''}.`);
  };
  const all = (act, word) => async () => {
    const q = new URLSearchParams();
    for (const k of FILTERS) if (query.get(k)) q.set(k, query.get(k));
    const n = await sendAll(`/v1/jobs/${act}?${q}`);
    again();
    tell(word, n);
  };
  const n = chosen.size;
  const said = done && html`<span class="said" role="status">${done}</span>`;
  if (n > 0)
    return html`<div class="bar bulk on" role="group" aria-label="Chosen jobs">
      <strong>${n} chosen</strong>
      <${Act} needs="control" run=${each('POST', '/cancel', 'cancelled')} confirm=${`Cancel ${plural(n, 'job')}?`}>Cancel</${Act}>
      <${Act} needs="control" run=${each('POST', '/retry', 'will run again')} confirm=${`Run ${plural(n, 'job')} again?`}>Retry</${Act}>
      <${Act} needs="control" run=${each('DELETE', '', 'forgotten')} confirm=${`Forget ${plural(n, 'job')}, with their results? This cannot be undone.`} kind="danger">Delete</${Act}>
      <button type="button" class="quiet" onClick=${clear}>None</button>
    </div>`;
  const open = ['scheduled', 'queued', 'running'].includes(state);
  const bad = ['failed', 'cancelled', 'expired'].includes(state);
  if (!state || query.get('text') || !many || !may('control')) return said ? html`<div class="bar bulk">${said}</div>` : null;
  const only = FILTERS.some((k) => k !== 'state' && query.get(k));
  const whose = only ? `all ${state} jobs of this filter` : `all ${many === true ? '' : `${count(many)} `}${state} jobs`;
  return html`<div class="bar bulk" role="group" aria-label="All jobs of this filter">
    <span class="dim">All that are ${state}:</span>
    ${open && html`<${Act} needs="control" run=${all('cancel', 'cancelled')} confirm=${`Cancel ${whose}?`}>Cancel all</${Act}>`}
    ${bad && html`<${Act} needs="control" run=${all('retry', 'will run again')} confirm=${`Run ${whose} again?`}>Retry all</${Act}>`}
    ${!open && html`<${Act} needs="control" run=${all('delete', 'forgotten')} confirm=${`Forget ${whose}, with their results? This cannot be undone.`} kind="danger">Delete all</${Act}>`}
    ${said}
  </div>`;
}

export function Jobs({ query }) {
  const q = new URLSearchParams();
  for (const k of [...FILTERS, 'cursor']) if (query.get(k)) q.set(k, query.get(k));
  q.set('limit', '50');
  const page = usePoll(`/v1/jobs?${q}`);
  const stats = usePoll('/v1/stats');
  const tasks = usePoll('/v1/tasks', { ms: 30000 });
  const [chosen, setChosen] = useState(new Set());
  useLayoutEffect(() => setChosen(new Set()), [String(q)]);
  const choose = (ids, on) => {
    const next = new Set(chosen);
    for (const id of ids) on ? next.add(id) : next.delete(id);
    setChosen(next);
  };
  const next = page.fresh && page.data?.next && new URL(page.data.next, location.origin).searchParams.get('cursor');
  const state = query.get('state');
  const filtered = FILTERS.some((k) => query.get(k));
  const some = page.data?.jobs.length > 0;
  return html`
    <h1>Jobs</h1>
    <${States} query=${query} counts=${stats.data?.jobs} />
    <${Filters} query=${query} tasks=${tasks.data?.tasks ?? []} />
    <${Bulk} query=${query} chosen=${chosen} clear=${() => setChosen(new Set())} again=${page.again} many=${some && page.fresh && ((state && stats.data?.jobs[state]) || true)} />
    <${Failures} of=${[page, stats, tasks]} />
    ${!page.data
      ? !page.error && html`<${Loading} />`
      : html`<div class=${page.fresh ? '' : 'stale'}>${
          some
            ? html`<${JobTable} jobs=${page.data.jobs} chosen=${chosen} choose=${may('control') ? choose : undefined} />`
            : html`<${Empty} title=${`No job fits${query.get('cursor') ? ' on this page' : ''}.`}>${next
                ? 'The search looked at 20,000 jobs here; older ones follow.'
                : filtered
                  ? html`<a href="#/jobs">Show all jobs</a>`
                  : html`Submit one from <a href="#/tasks">Tasks</a>.`}</${Empty}>`
        }</div>`}
    <nav class="bar pages" aria-label="Pages of the list">
      ${query.get('cursor') && html`<a class="button" href=${address(query, { cursor: '' })}>Newest</a>`}
      ${query.get('cursor') && html`<button type="button" onClick=${() => history.back()}>Back</button>`}
      ${next && html`<a class="button" href=${address(query, { cursor: next })}>Older</a>`}
    </nav>
  `;
}
