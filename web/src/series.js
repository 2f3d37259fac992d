// series.js - what charts reckon. Pure.

/** The least of 1, 2, 5 times a power of ten that is at least v. */
export function ceiling(v) {
  if (!(v > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= v * 0.9999);
}

/** Runs of values that are there, as [index, value] each. */
export function runs(values) {
  const all = [];
  let run = null;
  values.forEach((v, i) => {
    if (v === null) run = null;
    else {
      if (!run) all.push((run = []));
      run.push([i, v]);
    }
  });
  return all;
}

/** A column as long as its ring: what is older than the service is null; of the steps `passed` since the last answer `later` is known. */
export function column(values, room, passed, later) {
  const all = [...values, ...Array(Math.min(passed, room)).fill(later)].slice(-room);
  return [...Array(room - all.length).fill(null), ...all];
}
