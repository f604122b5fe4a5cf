import type { JsonObject } from '../domain/message.ts';
import {
  approverNames,
  differs,
  endingsOf,
  objectAt,
  resourcesOf,
  rulesOf,
  textOf,
  toolNames,
  type Filter,
} from './query-filter.ts';
import { resourceCharsMax } from './index-schema.ts';

/*
 * What each record is found by, and what each filter looks for. The two sides stand beside each other because whatever fits a
 * filter must have the words of that filter; that the index and the scan agree is tested with random journals.
 */

/** The words of a record, of a call with or without its ending; some may be there twice. */
export function wordsOf(record: JsonObject): number[] {
  const words = [word('id', rootOf(textOf(record['id'])))];
  const { kind, caller, server, session, command } = record;
  if (typeof kind === 'string' && kind !== 'call') words.push(word('kind', kind));
  if (typeof caller === 'string') words.push(word('caller', caller));
  if (typeof server === 'string') words.push(word('server', server));
  if (typeof session === 'string') words.push(word('session', session));
  if (typeof command === 'string') words.push(word('command', command));
  for (const name of toolNames(record)) words.push(word('tool', name));
  for (const name of rulesOf(record)) words.push(word('rule', name));
  for (const name of approverNames(record)) if (name !== 'policy') words.push(word('approver', name));
  if (differs(record)) words.push(word('would', ''));
  for (const name of endingsOf(record)) words.push(word('ending', name));
  for (const [name, digest] of Object.entries(objectAt(record, 'args')))
    if (typeof digest === 'string') words.push(word('argument', `${name} ${digest}`));
  return words;
}

/** The words that whatever fits has, all of them. */
export function wordsFor(filter: Filter): number[] {
  const { correlation, caller, server, session, command, tool, rule, kind, approvedBy, outcome } = filter;
  const words: number[] = [];
  const need = (name: string, text: string | undefined) => {
    if (text !== undefined) words.push(word(name, text));
  };
  need('id', correlation === undefined ? undefined : rootOf(correlation));
  for (const { name, digest } of filter.args ?? []) need('argument', `${name} ${digest}`);
  need('session', session);
  need('command', command);
  // Almost everything is a call that nobody had to be asked about; what is found by that is everything.
  need('kind', kind === 'call' ? undefined : kind);
  need('approver', approvedBy === 'policy' ? undefined : approvedBy);
  need('would', filter.would === true ? '' : undefined);
  need('tool', tool);
  need('caller', caller);
  need('rule', rule);
  need('ending', outcome);
  need('server', server);
  return words;
}

/** Resources as they are indexed, each once. */
export function resourceWords(record: JsonObject): readonly string[] {
  return [...new Set(resourcesOf(record).map(beginning))];
}

/** The texts between which a wanted resource stands: from the first on, and before the second. */
export function resourceRange(wanted: string): readonly [from: string, before: string] {
  const all = wanted.endsWith('*');
  const text = beginning(all ? wanted.slice(0, -1) : wanted);
  // In the order of UTF-8 nothing that begins with a text stands behind the text and the last code point there is.
  return all ? [text, `${text}\u{10ffff}`] : [text, `${text}\0`];
}

/** What SQLite can hold of a text: halves of pairs become U+FFFD in there, so they do here. */
function beginning(text: string): string {
  return text.slice(0, resourceCharsMax).toWellFormed();
}

/** Parts of one message to all servers are found by the id of the whole: `ID/fs` by `ID`. */
function rootOf(id: string): string {
  const slash = id.indexOf('/');
  return slash < 0 ? id : id.slice(0, slash);
}

/** FNV-1a, 32 bits, over the UTF-16 units. Two words with one number cost a look at a record, not an answer. */
function word(name: string, text: string): number {
  let sum = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) sum = Math.imul(sum ^ name.charCodeAt(at), 0x01000193);
  sum = Math.imul(sum ^ 0x3a, 0x01000193);
  for (let at = 0; at < text.length; at++) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193);
  return sum;
}
