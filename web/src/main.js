// main.js - the frame: which page, the way between them, whether the service answers, and the token.
import { useEffect, useState } from 'preact/hooks';
import { hasToken, setToken } from './api.js';
import { Group } from './group.js';
import { Job } from './job.js';
import { Jobs } from './jobs.js';
import { Overview } from './overview.js';
import { Schedules } from './schedules.js';
import { Tasks } from './tasks.js';
import { html, render } from './ui.js';
import { Workers } from './workers.js';

const pages = [
  ['', 'Overview', Overview],
  ['jobs', 'Jobs', Jobs],
  ['tasks', 'Tasks', Tasks],
  ['schedules', 'Schedules', Schedules],
  ['workers', 'Workers', Workers],
];

function useRoute() {
  const read = () => {
    const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
    return { parts: path.split('/').filter(Boolean), query: new URLSearchParams(query), text: location.hash };
  };
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const change = () => {
      setRoute(read());
      scrollTo(0, 0);
      document.querySelector('main')?.focus({ preventScroll: true });
    };
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  return route;
}

function LogIn({ done }) {
  const [text, setText] = useState('');
  const enter = (e) => {
    e.preventDefault();
    setToken(text.trim());
    done();
  };
  return html`<main tabindex="-1"><form class="card login" onSubmit=${enter}>
    <h1>Token</h1>
    <p>This service wants a token. It is kept in this tab until the tab is closed.</p>
    <label for="token">Token</label>
    <input id="token" type="password" autocomplete="off" value=${text} onInput=${(e) => setText(e.target.value)} />
    <button class="primary">Enter</button>
  </form></main>`;
}

function App() {
  const route = useRoute();
  const [offline, setOffline] = useState(false);
  const [wanted, setWanted] = useState(false);
  useEffect(() => {
    const on = () => setOffline(false);
    const off = () => setOffline(true);
    const want = () => setWanted(true);
    addEventListener('jobmill-online', on);
    addEventListener('jobmill-offline', off);
    addEventListener('jobmill-token', want);
    return () => {
      removeEventListener('jobmill-online', on);
      removeEventListener('jobmill-offline', off);
      removeEventListener('jobmill-token', want);
    };
  }, []);
  const [first = '', second] = route.parts;
  const page = pages.find(([path]) => path === first);
  useEffect(() => void (document.title = `${page ? page[1] : first === 'groups' ? 'Group' : 'Not found'} · jobmill`), [page, first]);
  const head = html`<header>
    <a class="brand" href="#/">jobmill</a>
    <nav aria-label="Pages">${pages.map(([path, name]) => html`<a href=${`#/${path}`} aria-current=${path === first ? 'page' : undefined}>${name}</a>`)}</nav>
    <span class="end"><a href="docs">API</a>${hasToken() && html`<button type="button" onClick=${() => (setToken(''), setWanted(true))}>Leave</button>`}</span>
  </header>
  ${offline && html`<div class="offline" role="alert">The service does not answer. What you see is old; this page goes on trying.</div>`}`;
  if (wanted) return html`${head}<${LogIn} done=${() => setWanted(false)} />`;
  let body;
  if (first === 'jobs' && second) body = html`<${Job} key=${second} id=${second} />`;
  else if (first === 'groups' && second) body = html`<${Group} key=${second} id=${second} />`;
  else if (page) body = html`<${page[2]} query=${route.query} />`;
  else body = html`<h1>Not found</h1><p>There is no such page. <a href="#/">Overview</a></p>`;
  return html`${head}<main tabindex="-1">${body}</main>`;
}

render(html`<${App} />`, document.getElementById('app'));
