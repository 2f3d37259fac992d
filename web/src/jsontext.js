// jsontext.js - JSON as the text that it is: a number keeps its digits and a member its place, which JSON.parse changes. Pure.

const TOKEN = /\s*([{}[\]:,]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s{}[\]:,"]+)/y;

/** Throws what is wrong with a text that is no JSON. */
export function check(text) {
  try {
    JSON.parse(text);
  } catch (e) {
    throw new Error(`This is not JSON: ${e.message}`);
  }
}

/** A text as {text} of what has no parts, or {text, open, entries}: `open` a bracket, entries [[name, part], …]. Throws as check does. */
export function read(text) {
  check(text);
  let at = 0;
  const token = () => {
    TOKEN.lastIndex = at;
    const [all, found] = TOKEN.exec(text);
    at += all.length;
    return found;
  };
  const value = (open) => {
    if (open !== '{' && open !== '[') return { text: open };
    const from = at - 1;
    const entries = [];
    let next = token();
    while (next !== '}' && next !== ']') {
      if (next === ',') next = token();
      if (open === '[') entries.push([String(entries.length), value(next)]);
      else {
        token(); // the colon
        entries.push([JSON.parse(next), value(token())]);
      }
      next = token();
    }
    return { text: text.slice(from, at), open, entries };
  };
  return value(token());
}

/** The text of an object with one member more, whose text stays as it is. */
export function add(object, name, text) {
  check(text);
  const all = JSON.stringify(object);
  return `${all.slice(0, -1)}${all === '{}' ? '' : ','}${JSON.stringify(name)}:${text}}`;
}
