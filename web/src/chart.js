// chart.js - values over time as areas and lines: SVG that scales, with words beside it. The pointer or the arrow keys read off values.
import { useState } from 'preact/hooks';
import { ceiling, runs } from './series.js';
import { html } from './ui.js';

const W = 1000;
const H = 100;

const x = (i, n) => ((i + 0.5) * W) / n;
const y = (v, most) => H - (v / most) * H;

const line = (run, n, most) => run.map(([i, v]) => `${x(i, n).toFixed(1)} ${y(v, most).toFixed(1)}`).join('L');

function Shape({ s, n, most }) {
  const parts = runs(s.values);
  const under = (r) => `M${x(r[0][0], n).toFixed(1)} ${H}L${line(r, n, most)}L${x(r.at(-1)[0], n).toFixed(1)} ${H}Z`;
  return html`<g class=${`series ${s.kind}`}>
    ${!s.line && html`<path class="area" d=${parts.map(under).join('')} />`}
    <path class="line" d=${parts.map((r) => `M${line(r, n, most)}h.1`).join('')} />
  </g>`;
}

/**
 * series: [{name, kind, values, line}], all of one length, null where nothing is known; time(i) says when; format(v) what.
 */
export function Chart({ title, series, time, format, from, most: least = 0 }) {
  const n = series[0].values.length;
  const [shown, setShown] = useState(null);
  const most = ceiling(Math.max(least, ...series.flatMap((s) => s.values.filter((v) => v !== null))));
  const move = (e) => {
    const box = e.currentTarget.getBoundingClientRect();
    setShown(Math.min(n - 1, Math.max(0, Math.floor(((e.clientX - box.left) / box.width) * n))));
  };
  const key = (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -n, End: n }[e.key];
    if (e.key === 'Escape') setShown(null);
    if (!step) return;
    e.preventDefault();
    setShown(Math.min(n - 1, Math.max(0, (shown ?? n - 1) + step)));
  };
  const at = (i) => series.map((s) => `${s.name} ${format((i === null ? last(s) : s.values[i]) ?? null)}`).join(', ');
  const last = (s) => s.values.findLast((v) => v !== null);
  return html`<figure class="chart">
    <figcaption><h3>${title}</h3><ul class="legend">${series.map((s) => html`<li class=${s.kind}><i></i>${s.name} <b>${format((shown === null ? last(s) : s.values[shown]) ?? null)}</b></li>`)}</ul></figcaption>
    <div class="plot" tabindex="0" role="group" aria-label=${`${title}: the arrow keys read off values`} onPointerMove=${move} onPointerLeave=${() => setShown(null)} onKeyDown=${key} onBlur=${() => setShown(null)}>
      <svg viewBox=${`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label=${`${title}, now: ${at(null)}`}>
        <path class="grid" d=${`M0 ${H / 2}H${W}M0 0H${W}M0 ${H}H${W}`} />
        ${series.map((s) => html`<${Shape} s=${s} n=${n} most=${most} />`)}
        ${shown !== null && html`<path class="cursor" d=${`M${x(shown, n)} 0V${H}`} />`}
      </svg>
      <span class="most">${format(most)}</span>
      ${series.every((s) => s.values.every((v) => v === null)) && html`<span class="none">nothing yet</span>`}
    </div>
    <div class="axis"><span>${from}</span><span role="status">${shown !== null && html`${time(shown)}<span class="away">: ${at(shown)}</span>`}</span><span>now</span></div>
  </figure>`;
}
