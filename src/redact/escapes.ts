const BACKSLASH = 0x5c;

/**
 * Where the JSON escape that covers the place `at` ends, or `at` itself when none does. Text may only be cut where no escape
 * is cut: `\npm_…` is a line end and `pm_…`, and cutting before its `n` would leave a backslash that breaks the message.
 */
export function escapeEnd(text: string, at: number): number {
  for (let back = 1; back <= 5; back++) {
    const start = at - back;
    if (text.charCodeAt(start) !== BACKSLASH || !isActive(text, start)) continue;
    const length = text[start + 1] === 'u' ? 6 : 2;
    return back < length ? start + length : at;
  }
  return at;
}

/** Whether a word may begin at a place: what stands before is no part of a word, or is the letter of an escape. */
export function beginsWord(text: string, at: number): boolean {
  const before = text[at - 1];
  if (before === undefined || !/[A-Za-z0-9_-]/.test(before)) return true;
  // `\n` at any depth of nesting: the letter belongs to the escape, not to the word.
  if (text[at - 2] === '\\' && 'bfnrt'.includes(before)) return true;
  return text[at - 6] === '\\' && text[at - 5] === 'u';
}

/** Whether a backslash begins an escape, or is itself escaped by the one before it. */
function isActive(text: string, at: number): boolean {
  let before = 0;
  while (text.charCodeAt(at - 1 - before) === BACKSLASH) before++;
  return before % 2 === 0;
}
