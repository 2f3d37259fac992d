// clock.js - how far the service's clock is ahead of this browser's, by the `Date` of answers, which has whole seconds. Pure.

export const UNKNOWN = [-Infinity, Infinity];

/** Of an answer with that `Date` to a request that was sent and answered then, all in ms: between what it must lie. What was known so far
 * is narrowed; where it does not agree (a clock was set) it is forgotten. */
export function narrow([low, high], date, sent, got) {
  const [from, to] = [date - got, date + 1000 - sent];
  const both = [Math.max(low, from), Math.min(high, to)];
  return both[0] <= both[1] ? both : [from, to];
}

/** What ages are corrected by: nothing where the clocks may agree. */
export const ahead = ([low, high]) => (low <= 0 && high >= 0 ? 0 : (low + high) / 2);
