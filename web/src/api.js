// api.js - the public API and nothing else: fetch with entity tags, the token, and problems as errors.

const cache = new Map(); // path -> {etag, data}
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
  cache.clear();
  if (text) sessionStorage.setItem('jobmill-token', text);
  else sessionStorage.removeItem('jobmill-token');
}

/** What the caller may do, once it is known. What it may not is not offered. */
export const caller = { value: null };
export const may = (scope) => !caller.value || caller.value.scopes.includes(scope);

export const hasToken = () => token !== '';

function headers(more = {}) {
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function problem(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // not JSON: the status says it all
  }
  return new Problem(response.status, body);
}

/** What was answered last, without asking. */
export const peek = (path) => cache.get(path)?.data;

/** GET as JSON; what has not changed costs no body. */
export async function get(path, signal) {
  const known = cache.get(path);
  const response = await fetch(beside(path), {
    headers: headers(known ? { 'If-None-Match': known.etag } : {}),
    cache: 'no-store',
    signal,
  });
  if (response.status === 304 && known) return known.data;
  if (!response.ok) throw await problem(response);
  const data = await response.json();
  const etag = response.headers.get('ETag');
  if (etag) {
    if (cache.size > 100) cache.delete(cache.keys().next().value);
    cache.set(path, { etag, data });
  }
  return data;
}

export async function send(method, path, body) {
  const response = await fetch(beside(path), {
    method,
    headers: headers(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw await problem(response);
  return response.status === 204 ? null : response.json();
}

/** The bytes of a result or input, as a Blob. */
export async function bytes(path) {
  const response = await fetch(beside(path), { headers: headers() });
  if (!response.ok) throw await problem(response);
  return response.blob();
}

/** The same as a file to keep; a plain link would go without the token. */
export async function save(path) {
  const at = URL.createObjectURL(await bytes(path));
  const a = document.createElement('a');
  a.href = at;
  a.download = path.split('/').slice(-2).join('-');
  a.click();
  setTimeout(() => URL.revokeObjectURL(at), 10000);
}

export async function text(path, signal) {
  const response = await fetch(beside(path), { headers: headers(), signal });
  if (!response.ok) throw await problem(response);
  return response.text();
}
