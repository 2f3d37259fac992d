// again.js - a job submitted anew: what goes along beside its input, and the same by curl. Pure.
import { add } from './jsontext.js';

/** What is carried over, beside the input, where the API takes it as JSON. */
const CARRIED = ['priority', 'timeout', 'max_attempts', 'tags', 'concurrency_key', 'backoff'];

/** The named things of a job that it has. */
export const some = (job, names = [...CARRIED, 'parameters']) => Object.fromEntries(names.filter((k) => job[k] !== undefined && !(k === 'priority' && !job[k])).map((k) => [k, job[k]]));

/** The same as the query of a submission of bytes as they are. */
function query({ parameters, tags, backoff, ...rest }) {
  const q = new URLSearchParams(rest);
  for (const tag of tags ?? []) q.append('tag', tag);
  for (const [k, v] of Object.entries(parameters ?? {})) q.append(k, v);
  return String(q);
}

/** How an input, which is a text of JSON, is submitted: [path, body]. A command that took parameters is given bytes as they are. */
export function submission(task, input, carried) {
  if (carried.parameters) return [`/v1/tasks/${task}/jobs?${query(carried)}`, input];
  return ['/v1/jobs', add({ task, ...carried }, 'input', input)];
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const LONG = 30000; // bytes of an input that a command line has room for, even if all of them were quotes

/** What submits the job again by curl. `input`: the text of it, if it is at hand. `at`: an address of a path. `token`: is there one? */
export function curl(job, input, at, token) {
  const auth = token ? ' -H "Authorization: Bearer $JOBMILL_TOKEN"' : '';
  const carried = some(job, [...CARRIED, 'callback_url', 'parameters']);
  const file = `${job.id}-input`;
  const fetched = `curl -f${auth} ${quote(at(`/v1/jobs/${job.id}/input`))} -o ${file} &&\n`;
  const to = (path) => `curl${auth} ${quote(at(path))}`;
  if (job.input_type || job.parameters) {
    const q = query(carried);
    const line = `${to(`/v1/tasks/${job.task}/jobs${q && `?${q}`}`)} -H ${quote(`Content-Type: ${job.input_type ?? 'application/json'}`)} --data-binary`;
    return job.input_size ? `${fetched}${line} @${file}` : `${line} ''`;
  }
  const body = { task: job.task, ...carried };
  if (!job.input_size) return `${to('/v1/jobs')} -d ${quote(JSON.stringify(body))}`;
  if (input !== undefined && job.input_size <= LONG) return `${to('/v1/jobs')} -d ${quote(add(body, 'input', input))}`;
  return `${fetched}{ printf %s ${quote(add(body, 'input', '0').slice(0, -2))}; cat ${file}; echo '}'; } |\n${to('/v1/jobs')} --data-binary @-`;
}
