// job.js - one job: its life as a line of moments, what went in and came out, and what can be done.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { curl } from './again.js';
import { beside, bytes, hasToken, may, save, send, text } from './api.js';
import { Deliveries } from './group.js';
import { read } from './jsontext.js';
import { Act, Badge, Copy, FINAL, Failure, Failures, JobLink, Loading, Time, Tree, bytesText, duration, html, short, useNow, usePoll, useTitle } from './ui.js';

const seconds = (from, to) => (new Date(to) - new Date(from)) / 1000;
const span = (from, to) => (seconds(from, to) < 0.001 ? 'less than 1 ms' : duration(seconds(from, to)));

function Moment({ at, children, kind = '' }) {
  return html`<li class=${kind}><div>${children}</div><span class="dim small at"><${Time} at=${at} /></span></li>`;
}

/** How an attempt ended, with the signal or exit status where there is one. */
function Why({ error }) {
  return html`${error.exit_code !== undefined && html` <code>exit ${error.exit_code}</code>`}${error.signal && html` <code>signal ${error.signal}</code>`}`;
}

/** Was it, or is it, to run later than it was submitted, or (again) than its last attempt? */
function due(job) {
  const late = Boolean(job.run_at && seconds(job.created_at, job.run_at) > 0);
  return { late, again: late && Boolean(job.attempts?.length) && seconds(job.attempts[0].started_at, job.run_at) > 0 };
}

function Timeline({ job }) {
  const { late, again } = due(job);
  return html`<ol class="timeline">
    <${Moment} at=${job.created_at}>Submitted${job.owner ? ` by ${job.owner}` : ''}</${Moment}>
    ${late && !again && html`<${Moment} at=${job.run_at}>Due</${Moment}>`}
    ${(job.attempts ?? []).map(
      (a) => html`<${Moment} at=${a.started_at} kind=${a.error ? 'bad' : a.finished_at ? 'good' : 'now'}>
        Attempt ${a.number} <span class="dim">${a.worker ? `worker ${a.worker} · ` : ''}${a.finished_at ? span(a.started_at, a.finished_at) : 'runs'}</span>
        ${a.error && html`<div class="error">${a.error.code}: ${a.error.message}<${Why} error=${a.error} /></div>`}
      </${Moment}>`,
    )}
    ${again && job.state === 'scheduled' && html`<${Moment} at=${job.run_at}>Next attempt</${Moment}>`}
    ${FINAL.has(job.state) && html`<${Moment} at=${job.finished_at} kind=${job.state === 'succeeded' ? 'good' : 'bad'}>${job.state[0].toUpperCase() + job.state.slice(1)} <span class="dim">after ${span(job.created_at, job.finished_at)}</span></${Moment}>`}
  </ol>`;
}

/** The way through the states, with how long each took. */
function Way({ job }) {
  const now = useNow();
  const begun = job.attempts?.[0]?.started_at ?? job.started_at;
  const last = job.attempts?.at(-1)?.finished_at;
  const { late, again } = due(job);
  const first = late && !again;
  const steps = [];
  if (first || (job.state === 'scheduled' && !begun)) steps.push(['scheduled', job.created_at, first ? job.run_at : null]);
  if (begun || job.state === 'queued') steps.push(['queued', first ? job.run_at : job.created_at, begun]);
  if (begun) steps.push(['running', begun, job.state === 'running' ? null : (job.finished_at ?? last)]);
  if (begun && ['scheduled', 'queued'].includes(job.state)) steps.push([job.state, last ?? begun, null]);
  if (FINAL.has(job.state)) steps.push([job.state, job.finished_at]);
  return html`<ol class="way" aria-label="States">${steps.map(([state, from, to], i) => {
    const here = i === steps.length - 1;
    const end = to && new Date(to) <= now ? to : now;
    return html`<li class=${`${state} ${here ? 'here' : ''}`} aria-current=${here ? 'step' : undefined}><span>${state}</span>${!FINAL.has(state) && html`<small>${seconds(from, end) > 0 ? span(from, end) : '0 s'}</small>`}</li>`;
  })}</ol>`;
}

/** Bytes by their type: a tree, text, a picture, or a file to keep. `text`: a poll of them, where they are a text that is not large. */
function Payload({ title, path, type = 'application/json', size, text: poll }) {
  const [url, setUrl] = useState(null);
  const [error, setError] = useState(null);
  const picture = /^image\/(png|jpeg|gif|webp)\b/.test(type);
  const shown = poll?.data ?? undefined;
  const tree = useMemo(() => {
    try {
      return shown === undefined || type.startsWith('text/') ? null : read(shown);
    } catch {
      return null;
    }
  }, [shown, type]);
  useEffect(() => {
    if (!picture) return undefined;
    let made = null;
    bytes(path).then((blob) => setUrl((made = URL.createObjectURL(blob))), setError);
    return () => made && URL.revokeObjectURL(made);
  }, [path, picture]);
  return html`<section class="payload">
    <div class="section-head"><h2>${title} <small class="dim">${type} · ${bytesText(size ?? 0)}</small></h2>
      <span class="tools">${shown !== undefined && html`<${Copy} text=${shown} label=${`Copy the ${title.toLowerCase()}`} />`}<${Act} run=${() => save(path)} kind="quiet" label=${`Save the ${title.toLowerCase()}`}>Save</${Act}></span></div>
    <${Failure} error=${error ?? poll?.error} />
    ${picture && url && html`<img src=${url} alt=${`The ${title.toLowerCase()} as a picture`} />`}
    ${!picture && shown !== undefined && (tree ? html`<div class="json"><${Tree} of=${tree} /></div>` : html`<pre tabindex="0">${shown}</pre>`)}
    ${!picture && !poll && html`<p class="dim">Too large, or not a text: save it to look at it.</p>`}
  </section>`;
}

/** As long as it is mounted it is of one result: a job that runs again has another. */
function Result({ job }) {
  const path = `/v1/jobs/${job.id}/result`;
  const poll = usePoll(job.result === undefined ? null : path, { read: text, once: true });
  return html`<${Payload} title="Result" path=${path} type=${job.result_type} size=${job.result_size} text=${job.result !== undefined && poll} />`;
}

const TAIL = 500;

function Log({ id, running }) {
  const log = usePoll(`/v1/jobs/${id}/logs?tail=${TAIL}`, { read: text, once: !running, end: 404 }); // where none is kept, none will be
  const [follow, setFollow] = useState(true);
  const box = useRef(null);
  const lines = log.data;
  useEffect(() => {
    if (follow && running && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  if (lines === null) return log.error && log.error.status !== 404 ? html`<section><h2>Log</h2><${Failure} error=${log.error} /></section>` : null;
  const n = lines.split('\n').length - 1;
  return html`<section><div class="section-head"><h2>Log <small class="dim">${n >= TAIL ? `the last ${TAIL} lines` : n ? `${n} line${n === 1 ? '' : 's'}` : ''}</small></h2>
    <span class="tools">${running && html`<label class="inline"><input type="checkbox" checked=${follow} onChange=${(e) => setFollow(e.target.checked)} /> follow</label>`}
      ${n > 0 && html`<${Copy} text=${lines} label="Copy the log" /><${Act} run=${() => save(`/v1/jobs/${id}/logs`)} kind="quiet" label="Save the log">Save</${Act}>`}</span></div>
    <${Failures} of=${[log]} />
    ${lines ? html`<pre class="log" tabindex="0" ref=${box} aria-label="The log">${lines}</pre>` : html`<p class="dim">${running ? 'Nothing has been logged yet.' : 'It logged nothing.'}</p>`}</section>`;
}

/** What the job waits for or has waited for: jobs with their states, and groups. */
function Parents({ ids }) {
  const asked = (ids ?? []).slice(0, 100);
  const jobs = usePoll(asked.length ? `/v1/jobs?ids=${asked.join(',')}` : null);
  if (!asked.length) return null;
  const known = new Map((jobs.data?.jobs ?? []).map((j) => [j.id, j]));
  // an id that is of no job is of a group, or of a job that was forgotten
  const other = (id) => (jobs.data ? html`<a class="mono" href=${`#/groups/${id}`} title=${id}>${short(id)}</a> <span class="dim">group, or forgotten</span>` : html`<${JobLink} id=${id} />`);
  return html`<section><h2>Depends on</h2><${Failures} of=${[jobs]} /><ul class="parents">
    ${asked.map((id) => html`<li>${known.has(id) ? html`<${JobLink} id=${id} /> ${known.get(id).task} <${Badge} state=${known.get(id).state} />` : other(id)}</li>`)}
    ${ids.length > asked.length && html`<li class="dim">… ${ids.length - asked.length} more</li>`}
  </ul></section>`;
}

function Curl({ job, input }) {
  const line = curl(job, input, beside, hasToken());
  return html`<section><div class="section-head"><h2>The same by curl</h2><span class="tools"><${Copy} text=${line} label="Copy the curl command" /></span></div><pre tabindex="0">${line}</pre></section>`;
}

export function Job({ id }) {
  const [done, setDone] = useState(false);
  const job = usePoll(`/v1/jobs/${id}`, { ms: done ? 15000 : 1000 });
  const j = job.data;
  const told = j?.input !== undefined;
  const input = usePoll(told ? `/v1/jobs/${id}/input` : null, { read: text, once: true });
  useEffect(() => setDone(Boolean(j && FINAL.has(j.state))), [j?.state]);
  useTitle(`${short(id)}${j ? ` ${j.state} · ${j.task}` : ''}`);
  if (!j) return job.error ? html`<h1>Job</h1><${Failure} error=${job.error} />${job.error.status === 404 && html`<p>It may have been forgotten: ended jobs are kept for <code>keep_for</code>. <a href="#/jobs">All jobs</a></p>`}` : html`<${Loading} />`;
  const post = (tail) => async () => {
    await send('POST', `/v1/jobs/${id}/${tail}`);
    setDone(false);
    job.again();
  };
  const forget = async () => {
    await send('DELETE', `/v1/jobs/${id}`);
    location.hash = '#/jobs';
  };
  const facts = [
    ['Id', html`<span class="mono wrap">${j.id}</span> <${Copy} text=${j.id} label="Copy the id" />`],
    ['Task', html`<a href=${`#/jobs?task=${encodeURIComponent(j.task)}`}>${j.task}</a>`],
    ['Attempt', `${j.attempt} of ${j.max_attempts}`],
    ['Priority', j.priority],
    ['Timeout', j.timeout && duration(j.timeout)],
    ['Created', html`<time datetime=${j.created_at}>${new Date(j.created_at).toLocaleString()}</time>`],
    ['Due', !FINAL.has(j.state) && j.run_at && j.run_at !== j.created_at ? html`<${Time} at=${j.run_at} />` : null],
    ['Expires', j.expires_at && html`<${Time} at=${j.expires_at} />`],
    ['Group', j.group && html`<a class="mono" href=${`#/groups/${j.group}`} title=${j.group}>${short(j.group)}</a>`],
    ['Owner', j.owner],
    ['Waits for', j.waiting_for && `${j.waiting_for} of ${j.depends_on?.length ?? j.waiting_for} to end`],
    ['When one of them fails', j.on_dependency_failure && 'it runs even so'],
    ['Concurrency key', j.concurrency_key && html`${j.concurrency_key}${j.held && html` <span class="dim">held: others that have it run</span>`}`],
    ['Lease', j.lease && html`${j.lease.worker ?? 'a worker'}, until <${Time} at=${j.lease.expires_at} />`],
    ['Trace', j.traceparent && html`<span class="mono wrap" title=${j.traceparent}>${j.traceparent.split('-')[1]}</span>`],
    ['Parameters', j.parameters && Object.entries(j.parameters).map(([k, v]) => html`<code>${k}=${v}</code> `)],
    ['Tags', j.tags && j.tags.map((t) => html`<a class="tag" href=${`#/jobs?tag=${encodeURIComponent(t)}`}>${t}</a>`)],
  ];
  const fraction = Math.round((j.progress?.fraction ?? 0) * 100);
  return html`
    <p class="crumbs"><a href="#/jobs">Jobs</a> <span aria-hidden="true">/</span> <span class="mono">${short(j.id)}</span></p>
    <div class="title"><h1>${j.task} <${Badge} state=${j.state} /></h1>
    <div class="bar">
      ${!FINAL.has(j.state) && html`<${Act} needs="submit" run=${post('cancel')} confirm="Cancel this job?" disabled=${j.cancel_requested}>${j.cancel_requested ? 'Being cancelled' : 'Cancel'}</${Act}>`}
      ${['failed', 'cancelled', 'expired'].includes(j.state) && html`<${Act} needs="control" run=${post('retry')} kind="primary">Retry</${Act}>`}
      ${may('submit') && !j.input_type && j.input !== undefined && html`<a class="button" href=${`#/tasks?task=${encodeURIComponent(j.task)}&from=${id}`}>Submit a changed one</a>`}
      ${FINAL.has(j.state) && html`<${Act} needs="control" run=${forget} confirm="Forget this job, with its result? This cannot be undone." kind="danger">Delete</${Act}>`}
    </div></div>
    <${Failures} of=${[job]} />
    <${Way} job=${j} />
    ${j.progress && html`<div class="wide-progress"><progress max="100" value=${fraction} aria-label="progress"></progress><span>${fraction} %${j.progress.message ? ` · ${j.progress.message}` : ''}</span></div>`}
    ${j.error && html`<div class="note bad"><strong>${j.error.code}</strong> <span>${j.error.message}</span><${Why} error=${j.error} /></div>`}
    <div class="two">
      <section class="card"><h2>Life</h2><${Timeline} job=${j} /></section>
      <section class="card"><h2>Facts</h2><dl class="facts">${facts.filter(([, v]) => v !== undefined && v !== null && v !== 0 && v !== false).map(([k, v]) => html`<dt>${k}</dt><dd>${v}</dd>`)}</dl></section>
    </div>
    <${Parents} ids=${j.depends_on} />
    ${j.result_size !== undefined && html`<${Result} key=${j.finished_at} job=${j} />`}
    <${Payload} title="Input" path=${`/v1/jobs/${id}/input`} type=${j.input_type} size=${j.input_size} text=${told && input} />
    <${Deliveries} url=${j.callback_url} deliveries=${j.deliveries} />
    <${Log} id=${id} running=${!FINAL.has(j.state)} />
    ${(!told || input.data !== null) && html`<${Curl} job=${j} input=${input.data ?? undefined} />`}
  `;
}
