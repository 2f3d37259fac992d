// job.js - one job: its life as a line of moments, what went in and came out, and what can be done.
import { useEffect, useState } from 'preact/hooks';
import { beside, bytes, save, send, text } from './api.js';
import { Deliveries } from './group.js';
import { Act, Badge, FINAL, Failure, JobLink, Loading, Progress, Time, Tree, bytesText, duration, html, usePoll } from './ui.js';

const seconds = (from, to) => (new Date(to) - new Date(from)) / 1000;

function Moment({ at, children, kind = '' }) {
  return html`<li class=${kind}><span class="dim"><${Time} at=${at} /></span><div>${children}</div></li>`;
}

function Timeline({ job }) {
  return html`<ol class="timeline">
    <${Moment} at=${job.created_at}>submitted${job.owner ? ` by ${job.owner}` : ''}</${Moment}>
    ${job.run_at && job.run_at !== job.created_at && html`<${Moment} at=${job.run_at}>due</${Moment}>`}
    ${(job.attempts ?? []).map(
      (a) => html`<${Moment} at=${a.started_at} kind=${a.error ? 'bad' : a.finished_at ? 'good' : 'now'}>
        attempt ${a.number}${a.worker ? ` in worker ${a.worker}` : ''}${a.finished_at ? `, ${duration(seconds(a.started_at, a.finished_at))}` : ' runs'}
        ${a.error && html`<div class="error">${a.error.code}: ${a.error.message}</div>`}
      </${Moment}>`,
    )}
    ${FINAL.has(job.state) && html`<${Moment} at=${job.finished_at} kind=${job.state === 'succeeded' ? 'good' : 'bad'}>${job.state}</${Moment}>`}
  </ol>`;
}

/** Bytes by their type: a tree, text, a picture, or a file to keep. */
function Payload({ path, type = 'application/json', size, value }) {
  const [url, setUrl] = useState(null);
  const [error, setError] = useState(null);
  const picture = /^image\/(png|jpeg|gif|webp)\b/.test(type);
  useEffect(() => {
    if (!picture) return undefined;
    let made = null;
    bytes(path).then((blob) => setUrl((made = URL.createObjectURL(blob))), setError);
    return () => made && URL.revokeObjectURL(made);
  }, [path, picture]);
  return html`<div class="payload">
    <p class="dim small">${type} · ${bytesText(size ?? 0)} <${Act} run=${() => save(path)}>Save</${Act}></p>
    <${Failure} error=${error} />
    ${picture && url && html`<img src=${url} alt="The result as a picture" />`}
    ${!picture && value !== undefined && (typeof value === 'string' && type.startsWith('text/') ? html`<pre tabindex="0">${value}</pre>` : html`<div class="json"><${Tree} value=${value} /></div>`)}
    ${!picture && value === undefined && html`<p class="dim">Too large, or not a text: save it to look at it.</p>`}
  </div>`;
}

function Log({ id, running }) {
  const [lines, setLines] = useState(null);
  useEffect(() => {
    let timer = 0;
    let gone = false;
    const ask = async () => {
      if (!document.hidden) {
        try {
          const got = await text(`/v1/jobs/${id}/logs?tail=500`);
          if (!gone) setLines(got);
        } catch {
          return; // this service keeps none
        }
      }
      if (running && !gone) timer = setTimeout(ask, 2000);
    };
    ask();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [id, running]);
  if (!lines) return null;
  return html`<section><h2>Log</h2><pre class="log" tabindex="0">${lines}</pre></section>`;
}

/** What the job waits for or has waited for: jobs with their states, and groups. */
function Parents({ ids }) {
  const asked = (ids ?? []).slice(0, 100);
  const jobs = usePoll(asked.length ? `/v1/jobs?ids=${asked.join(',')}` : null);
  if (!asked.length) return null;
  const known = new Map((jobs.data?.jobs ?? []).map((j) => [j.id, j]));
  // an id that is of no job is of a group, or of a job that was forgotten
  const other = (id) => (jobs.data ? html`<a class="mono" href=${`#/groups/${id}`} title=${id}>…${id.slice(-12)}</a> <span class="dim">group, or forgotten</span>` : html`<${JobLink} id=${id} />`);
  return html`<section><h2>Depends on</h2><ul class="parents">
    ${asked.map((id) => html`<li>${known.has(id) ? html`<${JobLink} id=${id} /> ${known.get(id).task} <${Badge} state=${known.get(id).state} />` : other(id)}</li>`)}
    ${ids.length > asked.length && html`<li class="dim">… ${ids.length - asked.length} more</li>`}
  </ul></section>`;
}

function Curl({ job }) {
  const body = { task: job.task };
  for (const k of ['input', 'priority', 'timeout', 'max_attempts', 'tags', 'concurrency_key', 'backoff']) if (job[k] !== undefined && !(k === 'priority' && !job[k])) body[k] = job[k];
  const line = `curl '${beside('/v1/jobs')}' -d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`;
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(line);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return html`<section><h2>The same by curl</h2><pre tabindex="0">${line}</pre>
    ${navigator.clipboard && html`<button type="button" onClick=${copy}>${copied ? 'Copied' : 'Copy'}</button>`}</section>`;
}

export function Job({ id }) {
  const [done, setDone] = useState(false);
  const job = usePoll(`/v1/jobs/${id}`, done ? 15000 : 1000);
  const j = job.data;
  useEffect(() => setDone(Boolean(j && FINAL.has(j.state))), [j?.state]);
  if (!j) return job.error ? html`<h1>Job</h1><${Failure} error=${job.error} />` : html`<${Loading} />`;
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
    ['Id', html`<span class="mono wrap">${j.id}</span>`],
    ['Attempt', `${j.attempt} of ${j.max_attempts}`],
    ['Priority', j.priority],
    ['Timeout', j.timeout && duration(j.timeout)],
    ['Created', html`<${Time} at=${j.created_at} />`],
    ['Expires', j.expires_at && html`<${Time} at=${j.expires_at} />`],
    ['Group', j.group && html`<a class="mono" href=${`#/groups/${j.group}`} title=${j.group}>…${j.group.slice(-12)}</a>`],
    ['Owner', j.owner],
    ['Waits for', j.waiting_for && `${j.waiting_for} of ${j.depends_on?.length ?? j.waiting_for} to end`],
    ['When one of them fails', j.on_dependency_failure && 'it runs even so'],
    ['Concurrency key', j.concurrency_key],
    ['Lease', j.lease && html`${j.lease.worker ?? 'a worker'}, until <${Time} at=${j.lease.expires_at} />`],
    ['Trace', j.traceparent && html`<span class="mono wrap" title=${j.traceparent}>${j.traceparent.split('-')[1]}</span>`],
    ['Parameters', j.parameters && Object.entries(j.parameters).map(([k, v]) => html`<code>${k}=${v}</code> `)],
    ['Tags', j.tags && j.tags.map((t) => html`<a class="tag" href=${`#/jobs?tag=${encodeURIComponent(t)}`}>${t}</a>`)],
  ];
  return html`
    <h1>${j.task} <${Badge} state=${j.state} /></h1>
    <${Failure} error=${job.error} />
    <div class="bar">
      ${!FINAL.has(j.state) && html`<${Act} run=${post('cancel')} confirm="Cancel this job?" disabled=${j.cancel_requested}>${j.cancel_requested ? 'Being cancelled' : 'Cancel'}</${Act}>`}
      ${['failed', 'cancelled', 'expired'].includes(j.state) && html`<${Act} run=${post('retry')}>Retry</${Act}>`}
      ${!j.input_type && j.input !== undefined && html`<a class="button" href=${`#/tasks?task=${encodeURIComponent(j.task)}&from=${id}`}>Submit a changed one</a>`}
      ${FINAL.has(j.state) && html`<${Act} run=${forget} confirm="Forget this job, with its result?" kind="danger">Delete</${Act}>`}
    </div>
    <${Progress} progress=${j.progress} />
    ${j.error && html`<div class="note bad"><strong>${j.error.code}</strong> <span>${j.error.message}</span>${j.error.exit_code !== undefined ? html` <code>exit ${j.error.exit_code}</code>` : ''}${j.error.signal ? html` <code>signal ${j.error.signal}</code>` : ''}</div>`}
    <div class="two">
      <section class="card"><h2>Facts</h2><dl class="facts">${facts.filter(([, v]) => v !== undefined && v !== null && v !== 0).map(([k, v]) => html`<dt>${k}</dt><dd>${v}</dd>`)}</dl></section>
      <section class="card"><h2>Life</h2><${Timeline} job=${j} /></section>
    </div>
    <${Parents} ids=${j.depends_on} />
    ${j.result_size !== undefined && html`<section><h2>Result</h2><${Payload} path=${`/v1/jobs/${id}/result`} type=${j.result_type} size=${j.result_size} value=${j.result} /></section>`}
    <section><h2>Input</h2><${Payload} path=${`/v1/jobs/${id}/input`} type=${j.input_type} size=${j.input_size} value=${j.input} /></section>
    <${Deliveries} url=${j.callback_url} deliveries=${j.deliveries} />
    <${Log} id=${id} running=${!FINAL.has(j.state)} />
    <${Curl} job=${j} />
  `;
}
