// tasks.js - what can be run: figures, pause, and a form made of the task's input schema.
import { useState } from 'preact/hooks';
import { some, submission } from './again.js';
import { get, may, send, text as textOf } from './api.js';
import { check, read } from './jsontext.js';
import { Act, Failure, Failures, Form, JobLink, Loading, STATES, count, duration, html, percent, plural, usePoll } from './ui.js';

const simple = (schema) =>
  schema && schema.type === 'object' && schema.properties &&
  Object.values(schema.properties).every((p) => ['string', 'number', 'integer', 'boolean'].includes(p.type) || p.enum);

const same = (value, text) => JSON.stringify(value) === JSON.stringify(JSON.parse(text));

/** Can a field show a value, which is a text of JSON, as it is? */
function fits(schema, text, required) {
  if (schema.enum) return schema.enum.some((v) => same(v, text));
  if (schema.type === 'boolean') return text === 'true' || text === 'false';
  if (schema.type === 'string') return text[0] === '"' && !/[\r\n]/.test(JSON.parse(text)) && !(required && text === '""');
  return /^[-\d]/.test(text);
}

/** The members of an input by their names, as texts of JSON; null where fields cannot show them. */
function members(schema, input) {
  const { open, entries } = read(input);
  if (!simple(schema) || open !== '{') return null;
  const has = (name) => Object.hasOwn(schema.properties, name);
  return entries.every(([name, { text }]) => !has(name) || fits(schema.properties[name], text, schema.required?.includes(name)))
    ? new Map(entries.map(([name, { text }]) => [name, text]))
    : null;
}

/** The text of JSON for what stands in a field for numbers, which also takes ".5". */
function digits(text) {
  try {
    return check(text), text;
  } catch {
    return String(Number(text));
  }
}

/** `text`: its value as a text of JSON, undefined where there is none; `set` is given such a one. */
function Field({ task, name, schema, text, required, set }) {
  const id = `in-${task}-${name}`;
  const hint = [schema.minimum !== undefined && `from ${schema.minimum}`, schema.maximum !== undefined && `to ${schema.maximum}`].filter(Boolean).join(' ');
  let input;
  if (schema.enum) {
    const at = text === undefined ? -1 : schema.enum.findIndex((v) => same(v, text));
    input = html`<select id=${id} required=${required} value=${at < 0 ? '' : String(at)} onChange=${(e) => set(e.target.value === '' ? undefined : JSON.stringify(schema.enum[e.target.value]))}>
      <option value=""></option>${schema.enum.map((v, i) => html`<option value=${String(i)}>${typeof v === 'string' ? v : JSON.stringify(v)}</option>`)}</select>`;
  } else if (schema.type === 'boolean') input = html`<input id=${id} type="checkbox" checked=${text === 'true'} onChange=${(e) => set(String(e.target.checked))} />`;
  else if (schema.type === 'string') input = html`<input id=${id} value=${text === undefined ? '' : JSON.parse(text)} required=${required} onInput=${(e) => set(e.target.value === '' ? undefined : JSON.stringify(e.target.value))} />`;
  else input = html`<input id=${id} type="number" step=${schema.type === 'integer' ? 1 : 'any'} min=${schema.minimum} max=${schema.maximum} required=${required} value=${text ?? ''} onInput=${(e) => set(e.target.value === '' ? undefined : e.target.value)} />`;
  return html`<label for=${id}>${name}${required ? ' *' : ''} <span class="dim small">${schema.description ?? hint}</span></label>${input}`;
}

/** A job, with the text of its input where it is JSON; null if there is no such job. */
async function former(id) {
  try {
    const job = await get(`/v1/jobs/${id}`);
    return { job, input: job.input_type ? undefined : await textOf(`/v1/jobs/${id}/input`) };
  } catch (e) {
    if (e.status === 404) return null;
    throw e;
  }
}

/** `from`: a job whose input and parameters the form begins with. What is not changed is sent byte for byte. */
function Submit({ task, from }) {
  const [form, setForm] = useState(null); // {schema, old, input, fields}: what it begins with
  const [json, setJson] = useState('');
  const [values, setValues] = useState(null); // as members() tells; null while nothing has been changed
  const [error, setError] = useState(null);
  const open = async (e) => {
    if (!e.target.open || form) return;
    setError(null);
    try {
      const schema = (await get(`/v1/tasks/${task.name}`)).input_schema ?? null;
      const old = from ? await former(from) : null;
      const example = schema?.examples?.[0] ?? {};
      const input = old?.input ?? JSON.stringify(example);
      const fields = members(schema, input);
      setJson(fields || old?.input ? input : JSON.stringify(example, null, 2));
      setForm({ schema, old, input, fields });
    } catch (e) {
      setError(e);
    }
  };
  const put = (name) => (text) => {
    const next = new Map(values ?? form.fields);
    if (text === undefined) next.delete(name);
    else next.set(name, text);
    setValues(next);
  };
  const carried = form?.old ? some(form.old.job) : {};
  const run = async () => {
    const { properties, required = [] } = form.schema ?? {};
    const all = new Map(values ?? form.fields ?? []);
    if (form.fields) for (const name of required) if (properties[name]?.type === 'boolean' && !all.has(name)) all.set(name, 'false');
    const unchanged = !form.fields || (!values && all.size === form.fields.size);
    const built = () => `{${[...all].map(([name, text]) => `${JSON.stringify(name)}:${digits(text)}`).join()}}`;
    const input = unchanged ? json : built();
    check(input);
    const job = await send('POST', ...submission(task.name, input, carried));
    location.hash = `#/jobs/${job.id}`;
  };
  return html`<details class="submit" open=${Boolean(from)} onToggle=${open}>
    <summary>Submit a job</summary>
    ${error && html`<${Failure} error=${error} />`}
    ${!form
      ? !error && html`<${Loading} />`
      : html`<${Form} run=${run} send="Submit">
          ${from && !form.old && html`<p class="note bad">There is no job …${from.slice(-12)} any more. The form begins with an example.</p>`}
          ${form.old && html`<p class="dim small">As <${JobLink} id=${from} />${Object.keys(carried).length ? `, with its ${Object.keys(carried).join(', ')}` : ''}${form.old.input === undefined ? ', but its input is not JSON: the form begins with an example' : ''}</p>`}
          ${form.fields
            ? Object.entries(form.schema.properties).map(([name, s]) => html`<${Field} task=${task.name} name=${name} schema=${s} required=${(form.schema.required ?? []).includes(name)} text=${(values ?? form.fields).get(name)} set=${put(name)} />`)
            : html`<label for=${`json-${task.name}`}>Input, as JSON</label><textarea id=${`json-${task.name}`} rows="5" value=${json} onInput=${(e) => setJson(e.target.value)}></textarea>`}
        </${Form}>`}
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
