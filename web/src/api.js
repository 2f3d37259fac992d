// api.js - the public API and nothing else: fetch with entity tags, the token, and problems as errors.

import { UNKNOWN, ahead, narrow } from './clock.js';

const PATIENCE = 20000; // ms until an answer must be there, all of it
const CHANGE = 60000; // of what changes something: it may be a thousand jobs
const DOWNLOAD = 600000; // of what is kept as a file

const cache = new Map(); // path -> {etag, data, at}: `at` is when the service said so last, by this browser's clock
/** An address of the API beside this page, which a proxy may serve below a path of its own. */
export const beside = (path) => new URL(path.slice(1), document.baseURI).href;

let token = sessionStorage.getItem('jobmill-token') || '';

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.status = status;
    this.code = body.code || '';
    this.errors = body.errors || [];
  }
}

export function setToken(text) {
  token = text;
  caller.value = null;
  cache.clear();
  if (text) sessionStorage.setItem('jobmill-token', text);
  else sessionStorage.removeItem('jobmill-token');
}

/** What the caller may do, once it is known. What it may not is not offered. */
export const caller = { value: null };
export const may = (scope) => !caller.value || caller.value.scopes.includes(scope);

export const hasToken = () => token !== '';

async function problem(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // not JSON: the status says it all
  }
  return new Problem(response.status, body);
}

let skew = UNKNOWN;

/** The time, in ms, as the service has it. */
export const clock = () => Date.now() + ahead(skew);

/** One request, and what `read` makes of its answer. No answer is waited for without end. */
async function ask(path, read, { patience = PATIENCE, signal, headers = {}, ...more } = {}) {
  const limit = AbortSignal.timeout(patience);
  const sent = Date.now();
  try {
    const response = await fetch(beside(path), {
      ...more,
      headers: token ? { ...headers, Authorization: `Bearer ${token}` } : headers,
      cache: 'no-store',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    const date = Date.parse(response.headers.get('Date'));
    if (date) skew = narrow(skew, date, sent, Date.now());
    if (!response.ok && response.status !== 304) throw await problem(response);
    return await read(response);
  } catch (error) {
    if (!limit.aborted || error.status || signal?.aborted) throw error;
    throw new Error(`There was no answer within ${patience / 1000} s.${more.method ? ' What was asked for may be done even so.' : ''}`);
  }
}

/** What was answered last, and when, without asking: {data, at}. */
export const peek = (path) => cache.get(path);

/** GET as JSON; what has not changed costs no body. */
export function get(path, signal) {
  const known = cache.get(path);
  const read = async (response) => {
    if (response.status === 304 && known) {
      known.at = Date.now();
      return known.data;
    }
    const data = await response.json();
    const etag = response.headers.get('ETag');
    if (etag) {
      if (cache.size > 100) cache.delete(cache.keys().next().value);
      cache.set(path, { etag, data, at: Date.now() });
    }
    return data;
  };
  return ask(path, read, { signal, headers: known ? { 'If-None-Match': known.etag } : {} });
}

/** `body`: the text of JSON, sent as it is. */
export function send(method, path, body) {
  const json = body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body };
  return ask(path, (response) => (response.status === 204 ? null : response.json()), { method, patience: CHANGE, ...json });
}

/** POSTs to what changes all jobs that a filter names, a thousand at a time, until all were gone through; how many were changed. */
export async function sendAll(path) {
  let changed = 0;
  for (let at = path; at; ) {
    const answer = await send('POST', at);
    changed += answer.changed;
    if (answer.next !== undefined) at = answer.next;
    else if (!answer.more || !answer.matched) at = null;
  }
  return changed;
}

/** The bytes of a result or input, as a Blob. */
export const bytes = (path) => ask(path, (response) => response.blob(), { patience: DOWNLOAD });

/** The same as a file to keep; a plain link would go without the token. */
export async function save(path) {
  const at = URL.createObjectURL(await bytes(path));
  const a = document.createElement('a');
  a.href = at;
  a.download = path.split('/').slice(-2).join('-');
  a.click();
  setTimeout(() => URL.revokeObjectURL(at), 10000);
}

export const text = (path, signal) => ask(path, (response) => response.text(), { signal });
