// prefs.js - what this browser's user has chosen: the theme, how often is asked, whether it is stopped, and whether single keys act.
import { useEffect, useState } from 'preact/hooks';

const KEY = 'jobmill-view';
export const prefs = { value: { theme: 'auto', pace: 1, paused: false, keys: true } };
const watchers = new Set();

function show() {
  const { theme } = prefs.value;
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

try {
  const { theme, pace, keys } = JSON.parse(localStorage.getItem(KEY)) ?? {};
  if (['light', 'dark'].includes(theme)) prefs.value.theme = theme;
  if ([1, 2.5, 7.5].includes(pace)) prefs.value.pace = pace;
  if (keys === false) prefs.value.keys = false;
} catch {
  // nothing kept, or a browser that keeps nothing
}
show();

export function choose(change) {
  prefs.value = { ...prefs.value, ...change };
  const { theme, pace, keys } = prefs.value;
  show();
  try {
    localStorage.setItem(KEY, JSON.stringify({ theme, pace, keys }));
  } catch {
    // it holds until the tab is closed
  }
  for (const w of watchers) w(prefs.value);
}

/** Stops asking for news, or goes on. */
export const flip = () => choose({ paused: !prefs.value.paused });

export function usePrefs() {
  const [value, set] = useState(prefs.value);
  useEffect(() => {
    watchers.add(set);
    return () => watchers.delete(set);
  }, []);
  return value;
}
