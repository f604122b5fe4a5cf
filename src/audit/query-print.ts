import type { Json, JsonObject } from '../domain/message.ts';
import { printable } from '../domain/printable.ts';
import { textOf, without, type Findings } from './query.ts';

const columns = ['TIME', 'ID', 'CALLER', 'WHAT', 'DECISION', 'OUTCOME', 'MS'] as const;
const cellCharsMax = 60;

/** Findings as a table for a terminal. Whatever a record holds, the terminal obeys none of it. */
export function printFindings({ records, unreadable }: Findings): string {
  const rows = records.map((record) => cellsOf(record).map(cell));
  const widths = columns.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  const lines = [columns, ...rows].map((row) =>
    row
      .map((text, at) => text.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  if (records.length === 0) lines.push('No record fits.');
  if (unreadable > 0)
    lines.push(
      `${unreadable} lines of the journal are not records of mcpd; somebody or something changed them.`,
    );
  return lines.join('\n') + '\n';
}

function cellsOf(record: JsonObject): readonly string[] {
  const time = textOf(record['time']);
  switch (record['kind']) {
    case 'call': {
      const decision = objectAt(record, 'decision');
      const by = textOf(decision['approvedBy']);
      const decided = [
        textOf(decision['kind']),
        quoted(textOf(decision['rule'])),
        by === 'policy' || by === '' ? '' : `by ${by}`,
      ];
      const error = textOf(record['error']);
      return [
        time,
        textOf(record['id']),
        textOf(record['caller']) || `(${textOf(record['remote'])})`,
        aimOf(record),
        decided.filter((it) => it !== '').join(' '),
        textOf(record['outcome']) + (error === '' ? '' : ` ${error}`),
        numberOf(record['durationMs']),
      ];
    }
    case 'upcall': {
      const decision = objectAt(record, 'decision');
      const decided = `${textOf(decision['kind'])} ${quoted(textOf(decision['rule']))}`;
      const what = `${textOf(record['server'])} asks ${textOf(record['method'])}`;
      return [
        time,
        textOf(record['id']),
        textOf(record['caller']),
        what,
        decided,
        record['asked'] === true ? 'passed on' : 'not passed on',
        '',
      ];
    }
    case 'command': {
      const args = Array.isArray(record['args']) ? record['args'].map(textOf).join(' ') : '';
      return [
        time,
        '',
        textOf(record['by']),
        `mcpd ${textOf(record['command'])} ${args}`.trimEnd(),
        '',
        textOf(record['result']),
        '',
      ];
    }
    case 'sign-ins':
      return [
        time,
        '',
        `(${textOf(record['remote'])})`,
        'failed sign-ins',
        '',
        `${numberOf(record['suppressed'])} more, not listed`,
        '',
      ];
    default: {
      const rest = without(record, ['seq', 'time', 'kind']);
      return [
        time,
        '',
        '',
        `journal: ${textOf(record['kind'])}`,
        '',
        Object.keys(rest).length === 0 ? '' : JSON.stringify(rest),
        '',
      ];
    }
  }
}

function aimOf(record: JsonObject): string {
  const target = objectAt(record, 'target');
  const name = textOf(target['name']);
  const server = textOf(record['server']);
  if (target['kind'] === 'tool') return `${server}/${name}`;
  if (target['kind'] === undefined || target['kind'] === 'protocol')
    return `${server} ${textOf(record['method'])}`;
  return `${server} ${textOf(target['kind'])} ${name}`;
}

function objectAt(record: JsonObject, key: string): JsonObject {
  const value = record[key];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

function quoted(text: string): string {
  return text === '' ? '' : `"${text}"`;
}

function numberOf(value: Json | undefined): string {
  return typeof value === 'number' ? String(value) : '';
}

function cell(text: string): string {
  const safe = printable(text);
  return safe.length <= cellCharsMax ? safe : `${safe.slice(0, cellCharsMax - 1)}…`;
}
