// history.js - the charts of the overview: what the service has done in the last 15 minutes, or 24 hours.
import { useRef, useState } from 'preact/hooks';
import { clock } from './api.js';
import { Chart } from './chart.js';
import { column } from './series.js';
import { Failures, count, duration, html, resting, useNow, usePoll } from './ui.js';

const SPANS = { '15m': { step: 5, room: 180, name: '15 minutes', ms: 5000 }, '24h': { step: 300, room: 288, name: '24 hours', ms: 30000 } };

/** What was done, asked for while something goes on: a poll, `told` being when its data came. step null: not asked for. */
export function useHistory(step, ms, news) {
  const poll = usePoll(step && `/v1/history?step=${step}`, { ms, news });
  const at = useRef({ of: null, ms: 0 });
  if (at.current.of !== poll.data) at.current = { of: poll.data, ms: clock() };
  return { ...poll, told: at.current.ms };
}

const rate = (v) => (v === null ? '–' : v === 0 ? '0/s' : v < 0.1 ? `${(v * 60).toFixed(1)}/min` : v < 10 ? `${v.toFixed(1)}/s` : `${count(Math.round(v))}/s`);
const amount = (v) => (v === null ? '–' : v < 10 && v % 1 ? v.toFixed(1) : count(Math.round(v)));
const time = (v) => (v === null ? '–' : duration(v));

export function History({ news, fine }) {
  const [span, setSpan] = useState('15m');
  const day = useHistory(span === '24h' ? 300 : null, SPANS['24h'].ms, news);
  const now = useNow();
  const shown = span === '24h' && day.data ? '24h' : '15m';
  const { step, room: most, name } = SPANS[shown];
  const poll = shown === '24h' ? day : fine;
  const d = poll.data;
  if (!d) return null;
  // while nothing is done nothing is asked: those steps are known to be empty
  const idle = news.current.stats && resting(news.current.stats) && Date.now() - news.current.at > 10000;
  const passed = idle ? Math.max(0, Math.floor((now - poll.told) / 1000 / step - 1)) : 0;
  const room = Math.min(most, Math.max(24, d.submitted.length + passed)); // of a service that is young the charts are, too
  const ago = duration(room * step).replace(/ 0 (s|min)$/, '');
  const seconds = (i) => (i === d.submitted.length - 1 ? Math.max(1, d.newest_seconds) : step);
  const each = (values) => column(values.map((v, i) => v / seconds(i)), room, passed, 0);
  const as = (values, later) => column(values, room, passed, later);
  const ended = poll.told + passed * step * 1000;
  const when = (i) => new Date(ended - (room - 1 - i) * step * 1000).toLocaleTimeString([], shown === '24h' ? { hour: '2-digit', minute: '2-digit' } : {});
  const chart = { time: when, from: `${ago} ago` };
  return html`<section class="history" aria-label="History">
    <div class="section-head"><h2>Last ${name}</h2>
      <div class="segments" role="group" aria-label="How far back">${Object.keys(SPANS).map((s) => html`<button type="button" aria-pressed=${s === span} onClick=${() => setSpan(s)}>${s === '15m' ? '15 min' : '24 h'}</button>`)}</div></div>
    ${span === '24h' && html`<${Failures} of=${[day]} />`}
    <div class="charts">
      <${Chart} ...${chart} title="Throughput" format=${rate} series=${[
        { name: 'succeeded', kind: 'good', values: each(d.succeeded) },
        { name: 'failed', kind: 'bad', values: each(d.failed) },
      ]} />
      <${Chart} ...${chart} title="Queue" format=${amount} most=${4} series=${[{ name: 'waiting', kind: 'accent', values: as(d.depth, d.depth.at(-1) ?? 0) }]} />
      <${Chart} ...${chart} title="Run time" format=${time} series=${[
        { name: 'p95', kind: 'run', values: as(d.run_p95, null), line: true },
        { name: 'p50', kind: 'accent', values: as(d.run_p50, null), line: true },
      ]} />
      <${Chart} ...${chart} title="Workers" format=${amount} series=${[
        { name: 'busy', kind: 'run', values: as(d.busy, 0) },
        { name: 'there', kind: 'dimmed', values: as(d.workers, d.workers.at(-1) ?? 0), line: true },
      ]} />
      <${Chart} ...${chart} title="Wait" format=${time} series=${[
        { name: 'p95', kind: 'warn', values: as(d.wait_p95, null), line: true },
        { name: 'p50', kind: 'accent', values: as(d.wait_p50, null), line: true },
      ]} />
      <${Chart} ...${chart} title="Submitted" format=${rate} series=${[{ name: 'jobs', kind: 'accent', values: each(d.submitted) }]} />
    </div>
  </section>`;
}
