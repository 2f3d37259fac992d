// main.js - the frame: which page, the way between them, whether the service answers, and the token.
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { caller, get, hasToken, may, setToken } from './api.js';
import { Group } from './group.js';
import { Job } from './job.js';
import { Jobs } from './jobs.js';
import { Keys } from './keys.js';
import { Overview } from './overview.js';
import { choose, flip, usePrefs } from './prefs.js';
import { Schedules } from './schedules.js';
import { Service } from './service.js';
import { Tasks } from './tasks.js';
import { Failure, html, render, useTitle } from './ui.js';
import { Workers } from './workers.js';

const pages = [
  ['', 'Overview', Overview],
  ['jobs', 'Jobs', Jobs],
  ['tasks', 'Tasks', Tasks],
  ['schedules', 'Schedules', Schedules],
  ['workers', 'Workers', Workers],
  ['service', 'Service', Service],
];

function useRoute() {
  const read = () => {
    const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
    return { parts: path.split('/').filter(Boolean), query: new URLSearchParams(query), text: location.hash };
  };
  const [route, setRoute] = useState(read);
  // with the page: a link that is followed at once is not lost
  useLayoutEffect(() => {
    let path = read().parts.join('/');
    const change = () => {
      const now = read();
      setRoute(now);
      scrollTo(0, 0);
      if (now.parts.join('/') !== path) document.querySelector('main')?.focus({ preventScroll: true }); // a filter leaves the keyboard where it is
      path = now.parts.join('/');
    };
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  return route;
}

const THEMES = { auto: ['dark', 'as the system'], dark: ['light', 'dark'], light: ['auto', 'light'] };

/** Whether news are asked for, how often, and the theme. */
function View() {
  const { theme, pace, paused } = usePrefs();
  return html`<span class="view">
    <button type="button" class=${`quiet live ${paused ? 'paused' : ''}`} aria-pressed=${paused} title=${paused ? 'Go on with updates (p)' : 'Pause updates (p)'} onClick=${flip}><i aria-hidden="true"></i>${paused ? 'Paused' : 'Live'}</button>
    <select class="quiet" aria-label="Refresh every" value=${String(pace)} onChange=${(e) => choose({ pace: Number(e.target.value), paused: false })}>
      <option value="1">2 s</option><option value="2.5">5 s</option><option value="7.5">15 s</option></select>
    <button type="button" class="quiet theme" aria-label=${`Theme: ${THEMES[theme][1]}`} title=${`Theme: ${THEMES[theme][1]}`} onClick=${() => choose({ theme: THEMES[theme][0] })}>
      <svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="6.5" /><path d=${theme === 'auto' ? 'M8 1.5a6.5 6.5 0 0 1 0 13z' : theme === 'dark' ? 'M8 1.5a6.5 6.5 0 0 1 0 13 6.5 6.5 0 0 1 0-13z' : ''} /></svg></button>
    <${Keys} />
  </span>`;
}

/** `refused`: why the token that there was is none. */
function LogIn({ done, refused }) {
  const [text, setText] = useState('');
  const enter = (e) => {
    e.preventDefault();
    setToken(text.trim());
    done();
  };
  return html`<main id="content" tabindex="-1"><form class="card login" onSubmit=${enter}>
    <h1>Token</h1>
    <${Failure} error=${refused} />
    <p>This service wants a token (<code>jobmill token NAME</code> makes one). It is kept in this tab until the tab is closed.</p>
    <label for="token">Token</label>
    <input id="token" type="password" autocomplete="off" value=${text} onInput=${(e) => setText(e.target.value)} />
    <button class="primary">Enter</button>
  </form></main>`;
}

function App() {
  const route = useRoute();
  const [offline, setOffline] = useState(false);
  const [wanted, setWanted] = useState(null); // a token: {refused}
  useEffect(() => {
    const on = () => setOffline(false);
    const off = () => setOffline(true);
    const want = (e) => {
      const refused = hasToken() ? e.detail : null;
      setWanted((old) => old ?? { refused });
      setToken('');
    };
    addEventListener('jobmill-online', on);
    addEventListener('jobmill-offline', off);
    addEventListener('jobmill-token', want);
    return () => {
      removeEventListener('jobmill-online', on);
      removeEventListener('jobmill-offline', off);
      removeEventListener('jobmill-token', want);
    };
  }, []);
  useEffect(() => document.querySelector('header nav [aria-current]')?.scrollIntoView({ inline: 'nearest', block: 'nearest' }), [route.parts[0]]);
  const [, known] = useState(null);
  useEffect(() => {
    const abort = new AbortController(); // who has left is not told of any more
    if (!wanted) get('/v1/caller', abort.signal).then((got) => abort.signal.aborted || known((caller.value = got)), () => {});
    return () => abort.abort();
  }, [wanted]);
  const [first = '', second] = route.parts;
  const page = pages.find(([path]) => path === first);
  useTitle(wanted ? 'Token' : first === 'jobs' && second ? '' : page ? page[1] : first === 'groups' ? 'Group' : 'Not found'); // a job has its own
  const head = html`<a class="skip" href="#content" onClick=${(e) => (e.preventDefault(), document.querySelector('main')?.focus())}>To the content</a><header><div>
    <a class="brand" href="#/"><svg viewBox="0 0 20 20" aria-hidden="true"><path d="M10 1v5M19 10h-5M10 19v-5M1 10h5M16.4 3.6l-3.6 3.6M16.4 16.4l-3.6-3.6M3.6 16.4l3.6-3.6M3.6 3.6l3.6 3.6" /><circle cx="10" cy="10" r="3.5" /></svg>jobmill</a>
    <nav aria-label="Pages">${pages.map(([path, name]) => html`<a href=${`#/${path}`} aria-current=${path === first || (path === 'jobs' && first === 'groups') ? 'page' : undefined}>${name}</a>`)}</nav>
    <span class="end">${!may('control') && html`<span class="badge" title="This token may not change anything">${may('submit') ? 'no control' : 'read only'}</span>`}<${View} /><a href="docs">API</a>${hasToken() && html`<button type="button" class="quiet" onClick=${() => (setToken(''), setWanted({ refused: null }))}>Log out</button>`}</span>
  </div></header>
  ${offline && html`<div class="offline" role="alert">The service does not answer. What you see is old; this page goes on trying.</div>`}`;
  if (wanted) return html`${head}<${LogIn} refused=${wanted.refused} done=${() => setWanted(null)} />`;
  let body;
  if (first === 'jobs' && second) body = html`<${Job} key=${second} id=${second} />`;
  else if (first === 'groups' && second) body = html`<${Group} key=${second} id=${second} />`;
  else if (page) body = html`<${page[2]} query=${route.query} />`;
  else body = html`<h1>Not found</h1><p>There is no such page. <a href="#/">Overview</a></p>`;
  return html`${head}<main id="content" tabindex="-1">${body}</main>`;
}

render(html`<${App} />`, document.getElementById('app'));
