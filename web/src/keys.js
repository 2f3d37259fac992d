// keys.js - the keyboard's ways through the pages; not while something is being typed, nor behind a dialog, nor where they were switched off.
import { useEffect, useRef, useState } from 'preact/hooks';
import { choose, flip, prefs, usePrefs } from './prefs.js';
import { html } from './ui.js';

const PAGES = { o: '', j: 'jobs', t: 'tasks', s: 'schedules', w: 'workers', v: 'service' };
const HELP = [
  ['g then o j t s w v', 'Overview, Jobs, Tasks, Schedules, Workers, Service'],
  ['/', 'search for jobs'],
  ['j, k', 'the next and the previous job of a list'],
  ['x', 'choose it'],
  ['Enter', 'open it'],
  ['p', 'pause updates, or go on with them'],
  ['?', 'this list'],
];

const rows = () => [...document.querySelectorAll('table.jobs tbody tr')];

function moveRow(by) {
  const all = rows();
  const now = all.findIndex((r) => r.contains(document.activeElement));
  const next = all[Math.min(all.length - 1, Math.max(0, now + by))];
  next?.querySelector('.id a')?.focus();
}

function search() {
  const field = document.querySelector('.filters [name=text]');
  if (field) field.focus();
  else {
    location.hash = '#/jobs';
    const seek = (left) => setTimeout(() => document.querySelector('.filters [name=text]')?.focus() ?? (left && seek(left - 1)), 50);
    seek(20);
  }
}

export function Keys() {
  const [open, setOpen] = useState(false);
  const dialog = useRef(null);
  const { keys } = usePrefs();
  useEffect(() => {
    let going = false; // after a g
    const press = (e) => {
      if (!prefs.value.keys || document.querySelector('dialog[open]')) return;
      if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, textarea, select, [contenteditable]')) return;
      const was = going;
      going = false;
      if (was && e.key in PAGES) location.hash = `#/${PAGES[e.key]}`;
      else if (e.key === 'g') going = true;
      else if (e.key === '/') search();
      else if (e.key === 'j') moveRow(1);
      else if (e.key === 'k') moveRow(-1);
      else if (e.key === 'x') document.activeElement.closest('tr')?.querySelector('input')?.click();
      else if (e.key === 'p') flip();
      else if (e.key === '?') setOpen(true);
      else return;
      e.preventDefault();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  useEffect(() => {
    if (open) dialog.current?.showModal();
  }, [open]);
  return html`<button type="button" class="quiet key-help" aria-label="Keys" title="Keys" onClick=${() => setOpen(true)}><kbd>?</kbd></button>
    ${open && html`<dialog ref=${dialog} aria-label="Keys" onClose=${() => setOpen(false)}><h2>Keys</h2>
      <dl class="keys">${HELP.map(([press, what]) => html`<dt><kbd>${press}</kbd></dt><dd>${what}</dd>`)}</dl>
      <label class="inline"><input type="checkbox" checked=${keys} onChange=${(e) => choose({ keys: e.target.checked })} /> These keys act</label>
      <form method="dialog"><button class="primary" autofocus>Close</button></form></dialog>`}`;
}
