import type { Json, JsonObject } from '../domain/message.ts';
import { printable } from '../domain/printable.ts';
import { objectAt } from './query-filter.ts';

/** A column: its title, and the path of a member. What has no column is in the last one, as JSON. */
const columns: readonly (readonly [title: string, path: readonly string[]])[] = [
  ['seq', ['seq']],
  ['time', ['time']],
  ['kind', ['kind']],
  ['id', ['id']],
  ['caller', ['caller']],
  ['via', ['via']],
  ['session', ['session']],
  ['client', ['client', 'name']],
  ['remote', ['remote']],
  ['server', ['server']],
  ['method', ['method']],
  ['target_kind', ['target', 'kind']],
  ['target', ['target', 'name']],
  ['resources', ['resources']],
  ['args', ['args']],
  ['decision', ['decision', 'kind']],
  ['rule', ['decision', 'rule']],
  ['approved_by', ['decision', 'approvedBy']],
  ['orders', ['decision', 'orders']],
  ['outcome', ['outcome']],
  ['error', ['error']],
  ['reason', ['reason']],
  ['refused_by', ['refusedBy', 'rule']],
  ['duration_ms', ['durationMs']],
  ['ended_at', ['endedAt']],
  ['by', ['by']],
  ['command', ['command']],
  ['command_args', ['args']],
  ['result', ['result']],
];

const lineEnd = '\r\n';

export const csvHead = `${[...columns.map(([title]) => title), 'record'].join(',')}${lineEnd}`;

/** One record as a line of CSV (RFC 4180). The whole record is its last cell. */
export function csvLine(record: JsonObject): string {
  const cells = columns.map(([title, path]) => cell(textAt(record, title, path)));
  return `${[...cells, cell(JSON.stringify(record))].join(',')}${lineEnd}`;
}

function textAt(record: JsonObject, title: string, path: readonly string[]): string {
  const [first = '', second] = path;
  // Arguments of a call are digests by name; those of a command are a list.
  if (first === 'args' && (record['kind'] === 'command') !== (title === 'command_args')) return '';
  const value = second === undefined ? record[first] : objectAt(record, first)[second];
  return text(value);
}

function text(value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * Quoted, whatever is in it. A spreadsheet takes what begins with one of these signs, or with their wide forms, for a formula, and
 * a caller may have chosen it (CWE-1236): an apostrophe in front makes it text.
 */
function cell(value: string): string {
  const safe = printable(value);
  const isFormula = /^\s*[=+\-@|%＝＋－＠]/u.test(safe) && !/^-\d{1,20}(\.\d{1,20})?$/.test(safe);
  return `"${(isFormula ? `'${safe}` : safe).replaceAll('"', '""')}"`;
}
