// ui.js - small parts that every page uses: html, polling, times, states, confirmation.
import { h, render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import htm from 'htm';
import { get } from './api.js';

export const html = htm.bind(h);
export { render };

export const STATES = ['scheduled', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired'];
export const FINAL = new Set(['succeeded', 'failed', 'cancelled', 'expired']);

/**
 * Polls a path while the tab is seen. {data, error, again}: the last answer stays while one fails. `news`: a ref to the service's
 * figures; while these stand still and no worker is busy nothing is asked.
 */
export function usePoll(path, ms = 2000, read = get, news = null) {
  const [state, setState] = useState({ data: null, error: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!path) return undefined;
    const abort = new AbortController();
    let timer = 0;
    let seenNews; // those at the last question
    const ask = async () => {
      clearTimeout(timer);
      if (document.hidden) return;
      if (news && seenNews && seenNews === news.current && !news.current.workers.busy) {
        timer = setTimeout(ask, ms);
        return;
      }
      seenNews = news?.current;
      try {
        const data = await read(path, abort.signal);
        setState((old) => (old.data === data && !old.error ? old : { data, error: null }));
        window.dispatchEvent(new CustomEvent('jobmill-online'));
      } catch (error) {
        if (error.name === 'AbortError') return;
        setState((old) => ({ data: old.data, error }));
        if (!error.status) window.dispatchEvent(new CustomEvent('jobmill-offline'));
        if (error.status === 401) window.dispatchEvent(new CustomEvent('jobmill-token'));
      }
      timer = setTimeout(ask, ms);
    };
    const seen = () => !document.hidden && ask();
    document.addEventListener('visibilitychange', seen);
    ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [path, ms, turn]);
  useEffect(() => setState({ data: null, error: null }), [path]);
  return { ...state, again: () => setTurn((n) => n + 1) };
}

/** A clock that turns once a second while the tab is seen. */
export function useNow() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function duration(seconds) {
  if (!(seconds >= 0)) return '–';
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
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
  return `${i && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export const count = (n) => (n ?? 0).toLocaleString('en');

export function Time({ at }) {
  const now = useNow();
  if (!at) return html`<span class="dim">–</span>`;
  const when = new Date(at);
  const ago = (now - when) / 1000;
  const whole = duration(Math.floor(Math.abs(ago))).replace('.0 s', ' s');
  const text = Math.abs(ago) < 1 ? 'now' : ago < 0 ? `in ${whole}` : `${whole} ago`;
  return html`<time datetime=${at} title=${when.toLocaleString()}>${text}</time>`;
}

export const Badge = ({ state }) => html`<span class=${`badge ${state}`}>${state}</span>`;

export const short = (id) => `…${id.slice(-12)}`;

export function JobLink({ id }) {
  return html`<a class="mono" href=${`#/jobs/${id}`} title=${id}>${short(id)}</a>`;
}

export function Progress({ progress }) {
  if (!progress) return null;
  const percent = Math.round((progress.fraction ?? 0) * 100);
  return html`<span class="progress">
    <progress max="100" value=${percent} aria-label="progress"></progress>
    <span class="dim">${percent} %${progress.message ? ` · ${progress.message}` : ''}</span>
  </span>`;
}

export const Loading = () => html`<p class="dim" role="status">Loading…</p>`;

export function Failure({ error }) {
  if (!error) return null;
  return html`<div class="note bad" role="alert">
    <strong>${error.status ? `The service answered ${error.status}` : 'The service does not answer'}</strong>
    <span>${error.message}</span>
    ${(error.errors ?? []).map((e) => html`<code>${e.pointer || e.parameter || e.header}: ${e.detail}</code>`)}
  </div>`;
}

/** A button that does something to the service, and shows while it does and when it failed. */
export function Act({ run, confirm, children, kind = '', disabled = false }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const alive = useRef(true);
  useEffect(() => () => void (alive.current = false), []);
  const click = async () => {
    if (confirm && !window.confirm(confirm)) return;
    setBusy(true);
    setError(null);
    try {
      await run();
    } catch (e) {
      if (alive.current) setError(e);
    }
    if (alive.current) setBusy(false);
  };
  return html`<span class="act">
    <button type="button" class=${kind} disabled=${busy || disabled} onClick=${click}>${children}</button>
    ${error && html`<span class="error" role="alert">${error.message}</span>`}
  </span>`;
}

/** JSON as a tree that folds. */
export function Tree({ value, name, open = true }) {
  const label = name === undefined ? null : html`<span class="key">${name}: </span>`;
  if (value === null || typeof value !== 'object')
    return html`<div class="leaf">${label}<span class=${`v ${value === null ? 'null' : typeof value}`}>${JSON.stringify(value)}</span></div>`;
  const entries = Object.entries(value);
  const [from, to] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  if (entries.length === 0) return html`<div class="leaf">${label}${from}${to}</div>`;
  return html`<details class="tree" open=${open}>
    <summary>${label}<span class="dim">${from} ${entries.length} ${to}</span></summary>
    ${entries.slice(0, 200).map(([k, v]) => html`<${Tree} name=${k} value=${v} open=${entries.length < 20} />`)}
    ${entries.length > 200 && html`<div class="leaf dim">… ${entries.length - 200} more</div>`}
  </details>`;
}

/** A line of values over time; `label` is what a screen reader says. */
export function Spark({ values, label }) {
  const w = 300;
  const hgt = 60;
  const most = Math.max(1, ...values);
  const step = values.length > 1 ? w / (values.length - 1) : w;
  const points = values.map((v, i) => `${(i * step).toFixed(1)},${(hgt - 2 - (v / most) * (hgt - 6)).toFixed(1)}`);
  return html`<svg class="spark" viewBox=${`0 0 ${w} ${hgt}`} preserveAspectRatio="none" role="img" aria-label=${label}>
    ${points.length > 1 &&
    html`<polygon points=${`0,${hgt} ${points.join(' ')} ${w},${hgt}`} /><polyline points=${points.join(' ')} />`}
  </svg>`;
}
