// tasks.js - what can be run: figures, pause, and a form made of the task's input schema.
import { useState } from 'preact/hooks';
import { get, may, send } from './api.js';
import { Act, Failure, Failures, Loading, STATES, count, duration, html, percent, plural, usePoll } from './ui.js';

const simple = (schema) =>
  schema && schema.type === 'object' && schema.properties &&
  Object.values(schema.properties).every((p) => ['string', 'number', 'integer', 'boolean'].includes(p.type) || p.enum);

function Field({ task, name, schema, value, required, set }) {
  const id = `in-${task}-${name}`;
  const hint = [schema.minimum !== undefined && `from ${schema.minimum}`, schema.maximum !== undefined && `to ${schema.maximum}`].filter(Boolean).join(' ');
  let input;
  if (schema.enum) input = html`<select id=${id} value=${value} onChange=${(e) => set(e.target.value)}><option></option>${schema.enum.map((v) => html`<option>${v}</option>`)}</select>`;
  else if (schema.type === 'boolean') input = html`<input id=${id} type="checkbox" checked=${value === true} onChange=${(e) => set(e.target.checked)} />`;
  else if (schema.type === 'string') input = html`<input id=${id} value=${value ?? ''} required=${required} onInput=${(e) => set(e.target.value)} />`;
  else input = html`<input id=${id} type="number" step=${schema.type === 'integer' ? 1 : 'any'} min=${schema.minimum} max=${schema.maximum} required=${required} value=${value ?? ''} onInput=${(e) => set(e.target.value === '' ? undefined : Number(e.target.value))} />`;
  return html`<label for=${id}>${name}${required ? ' *' : ''} <span class="dim small">${schema.description ?? hint}</span></label>${input}`;
}

/** What is carried over from a job that is submitted anew, beside its input. */
const CARRIED = ['priority', 'timeout', 'max_attempts', 'tags', 'concurrency_key', 'backoff'];

/** `from`: a job whose input and parameters the form begins with. */
function Submit({ task, from }) {
  const [schema, setSchema] = useState(undefined);
  const [values, setValues] = useState({});
  const [json, setJson] = useState('{}');
  const [rest, setRest] = useState({});
  const open = async (e) => {
    if (!e.target.open || schema !== undefined) return;
    const got = (await get(`/v1/tasks/${task.name}`)).input_schema ?? null;
    const old = from ? await get(`/v1/jobs/${from}`).catch(() => null) : null;
    const example = old ? old.input : (got?.examples?.[0] ?? {});
    if (old) setRest(Object.fromEntries(CARRIED.filter((k) => old[k] !== undefined).map((k) => [k, old[k]])));
    setSchema(got);
    setJson(JSON.stringify(example, null, 2));
    if (simple(got)) setValues(example ?? {});
  };
  const run = async () => {
    const input = simple(schema) ? values : JSON.parse(json);
    const job = await send('POST', '/v1/jobs', { task: task.name, input, ...rest });
    location.hash = `#/jobs/${job.id}`;
  };
  return html`<details class="submit" open=${Boolean(from)} onToggle=${open}>
    <summary>Submit a job</summary>
    ${schema === undefined
      ? html`<${Loading} />`
      : html`<div class="form">
          ${from && html`<p class="dim small">As <a class="mono" href=${`#/jobs/${from}`}>…${from.slice(-12)}</a>${Object.keys(rest).length ? `, with its ${Object.keys(rest).join(', ')}` : ''}</p>`}
          ${simple(schema)
            ? Object.entries(schema.properties).map(([name, s]) => html`<${Field} task=${task.name} name=${name} schema=${s} required=${(schema.required ?? []).includes(name)} value=${values[name]} set=${(v) => setValues({ ...values, [name]: v })} />`)
            : html`<label for=${`json-${task.name}`}>Input, as JSON</label><textarea id=${`json-${task.name}`} rows="5" value=${json} onInput=${(e) => setJson(e.target.value)}></textarea>`}
          <${Act} needs="submit" run=${run} kind="primary">Submit</${Act}>
        </div>`}
  </details>`;
}

function Task({ task, from, again }) {
  const flip = async () => {
    await send('POST', `/v1/tasks/${task.name}/${task.paused ? 'resume' : 'pause'}`);
    again();
  };
  const done = task.attempts.succeeded + task.attempts.failed;
  return html`<section class="card task">
    <h2><a href=${`#/jobs?task=${task.name}`}>${task.name}</a> <small class="dim">${task.kind}${task.persistent ? ', warm' : ''} · pool ${task.pool}</small> ${task.paused && html`<span class="badge cancelled">paused</span>`}<span class="tools"><${Act} needs="control" run=${flip} kind="quiet">${task.paused ? 'Resume' : 'Pause'}</${Act}></span></h2>
    <p>${task.description}</p>
    ${!task.available && html`<p class="note bad">${task.error}</p>`}
    <ul class="mini">${STATES.filter((s) => task.counts[s] > 0).map((s) => html`<li><a href=${`#/jobs?task=${task.name}&state=${s}`}><span class=${`badge ${s}`}>${count(task.counts[s])} ${s}</span></a></li>`)}</ul>
    <p class="dim small">${done ? html`${plural(done, 'attempt')} since the start, ${percent(task.attempts.failed, done)} failed, mean ${duration(task.attempts.mean_seconds)}` : 'not run since the start'}${task.concurrency ? ` · at most ${task.concurrency} at once` : ''}${task.rate ? ` · at most ${task.rate}/s` : ''}</p>
    ${may('submit') && html`<${Submit} key=${from} task=${task} from=${from} />`}
  </section>`;
}

/** The tasks with the named one in front. */
const first = (all, name) => [...all.filter((t) => t.name === name), ...all.filter((t) => t.name !== name)];

export function Tasks({ query }) {
  const tasks = usePoll('/v1/tasks');
  if (!tasks.data) return tasks.error ? html`<h1>Tasks</h1><${Failure} error=${tasks.error} />` : html`<${Loading} />`;
  return html`<h1>Tasks</h1><${Failures} of=${[tasks]} /><div class="cards">${first(tasks.data.tasks, query.get('task')).map((t) => html`<${Task} key=${t.name} task=${t} from=${query.get('task') === t.name ? query.get('from') : null} again=${tasks.again} />`)}</div>`;
}
