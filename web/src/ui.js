// ui.js - small parts that every page uses: html, polling, times, states, confirmation.
import { h, render } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import htm from 'htm';
import { clock, get, may, peek } from './api.js';
import { prefs, usePrefs } from './prefs.js';

export const html = htm.bind(h);
export { render };

export const STATES = ['scheduled', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired'];
export const FINAL = new Set(['succeeded', 'failed', 'cancelled', 'expired']);

const SETTLE = 8000; // ms after a change in which what follows from it is still asked for
const REST = 60000;

/** Does nothing run, and does nothing wait? Only then does what follows from the service's figures stand as still as they do. */
export const resting = (stats) => !stats.workers.busy && !['scheduled', 'queued', 'running'].some((state) => stats.jobs[state]);

const silent = new Set(); // polls whose last request the service, or what stands before it, did not answer
const unanswered = (error) => !error.status || [502, 503, 504].includes(error.status);

/**
 * Polls a path while the tab is seen and nobody has stopped it. {data, at, error, again, fresh}: the last answer stays while one fails
 * (`at`: when it was known to hold), and while another path is asked for (fresh is false then). `news`: a ref to {stats, at}, the
 * service's figures and when they changed; while these stand still and it rests it is asked for once a minute, as what is past ages. `once`: no more after an
 * answer; `end`: nor after an error of this status.
 */
export function usePoll(path, { ms = 2000, read = get, news = null, once = false, end = 0 } = {}) {
  const [state, setState] = useState(() => ({ path, data: (path && peek(path)?.data) ?? null, error: null }));
  const good = useRef({ path, at: (path && peek(path)?.at) || 0 });
  const [turn, setTurn] = useState(0);
  const { paused, pace } = usePrefs();
  useEffect(() => {
    if (!path) return undefined;
    const abort = new AbortController();
    let timer = 0;
    let asked = false; // and answered
    const later = () => {
      if (!paused) timer = setTimeout(ask, ms * pace);
    };
    const still = () => news?.current.stats && resting(news.current.stats) && Date.now() - news.current.at > SETTLE && Date.now() - good.current.at < REST;
    const ask = async () => {
      clearTimeout(timer);
      if (document.hidden) return;
      if (asked && once) return undefined;
      if (asked && still()) return later();
      try {
        const data = await read(path, abort.signal);
        asked = true;
        good.current = { path, at: Date.now() };
        setState((old) => (old.path === path && old.data === data && !old.error ? old : { path, data, error: null }));
        silent.delete(abort);
        if (!silent.size) window.dispatchEvent(new CustomEvent('jobmill-online'));
      } catch (error) {
        if (abort.signal.aborted) return;
        asked = false;
        setState((old) => ({ path, data: old.path === path ? old.data : null, error }));
        if (unanswered(error)) {
          silent.add(abort);
          window.dispatchEvent(new CustomEvent('jobmill-offline'));
        } else silent.delete(abort);
        if (error.status === end) return;
        if (error.status === 401) window.dispatchEvent(new CustomEvent('jobmill-token', { detail: error }));
      }
      later();
    };
    const seen = () => !document.hidden && !paused && ask();
    document.addEventListener('visibilitychange', seen);
    ask();
    return () => {
      abort.abort();
      silent.delete(abort);
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [path, ms, turn, paused, pace, once]);
  return { data: state.data, at: good.current.path === state.path ? good.current.at : 0, error: state.error, fresh: state.path === path, again: () => setTurn((n) => n + 1) };
}

/** What the browser calls the page; it changes together with the page. */
export function useTitle(text) {
  useLayoutEffect(() => void (text && (document.title = `${text} · jobmill`)), [text]);
}

/** The service's time, which turns once a second while the tab is seen. */
export function useNow() {
  const [now, setNow] = useState(clock);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && !prefs.value.paused && setNow(clock()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function duration(seconds) {
  if (!(seconds >= 0)) return '–';
  if (seconds === 0) return '0 s';
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1).replace('.0', '')} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function bytesText(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${i && n < 10 ? n.toFixed(1).replace('.0', '') : Math.round(n)} ${units[i]}`;
}

export const count = (n) => (n ?? 0).toLocaleString('en');
export const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(part && part < whole ? 1 : 0)} %` : '–');
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function Time({ at }) {
  const now = useNow();
  if (!at) return html`<span class="dim">–</span>`;
  const when = new Date(at);
  const ago = (now - when) / 1000;
  const whole = duration(Math.floor(Math.abs(ago))).replace('.0 s', ' s');
  const text = Math.abs(ago) < 1 ? 'now' : ago < 0 ? `in ${whole}` : `${whole} ago`;
  return html`<time datetime=${at} title=${when.toLocaleString()}>${text}</time>`;
}

export const Badge = ({ state, children }) => html`<span class=${`badge ${state}`}>${children ?? state}</span>`;

/** The state of a worker, and whether a signal has stopped it. */
export const WorkerState = ({ w }) => html`<span><span class=${`dot ${w.state}`}>${w.state}</span>${w.stopped && html` <${Badge} state="cancelled">stopped</${Badge}>`}</span>`;

export const short = (id) => `…${id.slice(-12)}`;

export function JobLink({ id }) {
  return html`<a class="mono" href=${`#/jobs/${id}`} title=${id}>${short(id)}</a>`;
}

export function Progress({ progress }) {
  if (!progress) return null;
  const at = Math.round((progress.fraction ?? 0) * 100);
  return html`<span class="progress">
    <progress max="100" value=${at} aria-label="progress"></progress>
    <span class="dim">${at} %${progress.message ? ` · ${progress.message}` : ''}</span>
  </span>`;
}

export const Loading = () => html`<div class="loading" role="status"><span></span><span></span><span></span><em>Loading…</em></div>`;

/** Where nothing is: what it is that is not there, and what to do about it. */
export const Empty = ({ title, children }) => html`<div class="empty"><strong>${title}</strong>${children && html`<div>${children}</div>`}</div>`;

/** `at`: when what is shown beside it was known to hold. */
export function Failure({ error, at }) {
  if (!error) return null;
  return html`<div class="note bad" role="alert">
    <strong>${error.status ? `The service answered ${error.status}` : 'The service does not answer'}</strong>
    <span>${error.message}</span>
    ${(error.errors ?? []).map((e) => html`<code>${[e.pointer || e.parameter || e.header, e.limit].filter(Boolean).join(': ')}</code>`)}
    ${error.status === 403 && html`<span class="dim">The token's scopes do not allow it.</span>`}
    ${at > 0 && html`<span class="as-of">What is shown is as of ${new Date(at).toLocaleTimeString()}.</span>`}
  </div>`;
}

/** What failed of some polls, each failure once, with the time of the oldest data that stay. */
export function Failures({ of }) {
  const bad = of.filter((poll) => poll.error);
  const oldest = (all) => Math.min(...all.filter((poll) => poll.data).map((poll) => poll.at));
  const texts = new Set(bad.map((poll) => poll.error.message));
  return [...texts].map((text) => {
    const all = bad.filter((poll) => poll.error.message === text);
    return html`<${Failure} key=${text} error=${all[0].error} at=${all.some((poll) => poll.data) ? oldest(all) : 0} />`;
  });
}

/** Something that is done to the service: whether it is being done, and how it failed. */
function useRun(run) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const alive = useRef(true);
  useEffect(() => () => void (alive.current = false), []);
  const go = async () => {
    setBusy(true);
    setError(null);
    try {
      await run();
    } catch (e) {
      if (alive.current) setError(e);
    }
    if (alive.current) setBusy(false);
  };
  return { busy, go, said: error && html`<span class="error" role="alert">${error.message}</span>` };
}

/** A button that does something to the service, and shows while it does and when it failed. `needs`: a scope. */
export function Act({ run, confirm, children, kind = '', disabled = false, label, needs }) {
  const { busy, go, said } = useRun(run);
  if (needs && !may(needs)) return null;
  return html`<span class="act">
    <button type="button" class=${kind} aria-label=${label} aria-busy=${busy} disabled=${busy || disabled} onClick=${() => (!confirm || window.confirm(confirm)) && go()}>${children}</button>
    ${said}
  </span>`;
}

/** Fields, and the button that sends them, or Enter in one of them. What the browser finds wrong with a field it says there. */
export function Form({ run, send, children }) {
  const { busy, go, said } = useRun(run);
  const submit = (e) => {
    e.preventDefault();
    if (!busy) go();
  };
  return html`<form class="form" onSubmit=${submit}>${children}<span class="act"><button class="primary" aria-busy=${busy} disabled=${busy}>${send}</button>${said}</span></form>`;
}

/** Copies also where the browser has no clipboard for a page without TLS. */
async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'away';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('the browser does not let it be copied');
}

export function Copy({ text, children = 'Copy', label }) {
  const [copied, setCopied] = useState(false);
  const run = async () => {
    await copyText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return html`<${Act} run=${run} kind="quiet" label=${copied ? undefined : label}>${copied ? 'Copied' : children}</${Act}>`;
}

const KINDS = { '"': 'string', t: 'boolean', f: 'boolean', n: 'null' };

/** JSON, as read by jsontext.js, as a tree that folds. */
export function Tree({ of, name, open = true }) {
  const label = name === undefined ? null : html`<span class="key">${name}: </span>`;
  if (!of.open) return html`<div class="leaf">${label}<span class=${`v ${KINDS[of.text[0]] ?? 'number'}`}>${of.text}</span></div>`;
  const { entries } = of;
  const [from, to] = of.open === '[' ? '[]' : '{}';
  if (entries.length === 0) return html`<div class="leaf">${label}${from}${to}</div>`;
  return html`<details class="tree" open=${open}>
    <summary>${label}<span class="dim">${from} ${entries.length} ${to}</span></summary>
    ${entries.slice(0, 200).map(([k, part]) => html`<${Tree} name=${k} of=${part} open=${entries.length < 20} />`)}
    ${entries.length > 200 && html`<div class="leaf dim">… ${entries.length - 200} more</div>`}
  </details>`;
}
