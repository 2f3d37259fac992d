// cronwords.js - a cron expression in words: "30 3 * * 1-5" is "at 3:30, Monday to Friday". Empty for what it
// cannot say. Pure.

const MACROS = { '@hourly': '0 * * * *', '@daily': '0 0 * * *', '@midnight': '0 0 * * *', '@weekly': '0 0 * * 0', '@monthly': '0 0 1 * *', '@yearly': '0 0 1 1 *', '@annually': '0 0 1 1 *' };
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const MONTHS = ['', 'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];

const list = (words) => (words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`);

/** "1-5,10" by the names of its values; null for what is no list of values and ranges. */
function values(field, names) {
  const number = (text) => {
    const i = names ? names.findIndex((n) => n && n.slice(0, 3).toLowerCase() === text.toLowerCase()) : -1;
    const n = i >= 0 ? i : /^\d+$/.test(text) ? Number(text) : NaN;
    return names ? (names[n] ?? null) : Number.isNaN(n) ? null : String(n);
  };
  const words = field.split(',').map((part) => {
    const ends = part.split('-').map(number);
    if (ends.length > 2 || ends.includes(null)) return null;
    return ends.join(' to ');
  });
  return words.includes(null) ? null : list(words);
}

/** n of `*\/n`, where that is a rhythm: `*\/7` of 60 minutes is none. */
function step(field, of) {
  const n = Number(/^\*\/(\d+)$/.exec(field)?.[1]);
  return n > 1 && of % n === 0 ? n : 0;
}
const two = (n) => String(n).padStart(2, '0');

function time(minute, hour) {
  if (minute === '*' && hour === '*') return 'every minute';
  const m = step(minute, 60);
  const h = step(hour, 24);
  const minutes = values(minute);
  const hours = values(hour);
  if (m && hour === '*') return `every ${m} minutes`;
  if (m && hours) return `every ${m} minutes in the hours ${hours}`;
  if (minutes && hour === '*') return minute === '0' ? 'every hour' : `every hour, at minute ${minutes}`;
  if (minutes && h) return `every ${h} hours${minute === '0' ? '' : `, at minute ${minutes}`}`;
  if (/^\d+$/.test(minute) && /^\d+(,\d+)*$/.test(hour)) return `at ${list(hour.split(',').map((x) => `${Number(x)}:${two(Number(minute))}`))}`;
  if (minutes && hours) return `at minute ${minutes} of the hours ${hours}`;
  if (minute === '*' && hours) return `every minute in the hours ${hours}`;
  return null;
}

export function cronWords(text) {
  const fields = (MACROS[text.trim().toLowerCase()] ?? text).trim().split(/\s+/);
  if (fields.length !== 5) return '';
  const [minute, hour, day, month, weekday] = fields;
  const when = time(minute, hour);
  const days = day === '*' ? '' : values(day);
  const week = weekday === '*' ? '' : values(weekday, DAYS);
  const months = month === '*' ? '' : values(month, MONTHS);
  if ([when, days, week, months].includes(null)) return '';
  const on = [days && `on day ${days} of the month`, week].filter(Boolean).join(' or ');
  return [when, on, months && `in ${months}`].filter(Boolean).join(', ');
}
