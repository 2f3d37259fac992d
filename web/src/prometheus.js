// prometheus.js - the text format of Prometheus, and quantiles of its histograms. Pure.

/** The text format of Prometheus -> Map of name -> [{labels, value}]. */
export function parse(body) {
  const all = new Map();
  for (const line of body.split('\n')) {
    const found = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, k, v] of (found[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[k] = v.replace(/\\(.)/g, '$1');
    if (!all.has(found[1])) all.set(found[1], []);
    all.get(found[1]).push({ labels, value: found[3] === '+Inf' ? Infinity : Number(found[3]) });
  }
  return all;
}

/** The value below which a share of them lies, as if they were spread evenly within a bucket. Beyond the last
 * bound there is no telling: its value is that bound, `over` says so. */
export function quantile(rows, share) {
  const total = rows.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const rank = share * total;
  const i = rows.findIndex(([, n]) => n >= rank);
  const [low, below] = i > 0 ? rows[i - 1] : [0, 0];
  const [high, n] = rows[i];
  if (high === Infinity) return { at: low, over: true };
  return { at: low + ((high - low) * (rank - below)) / Math.max(1, n - below), over: false };
}
