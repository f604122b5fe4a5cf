import type { Json, JsonObject } from '../domain/message.ts';
import { printable } from '../domain/printable.ts';
import type { Findings } from './query.ts';
import { objectAt, textOf, without } from './query-filter.ts';

const columns = ['TIME', 'ID', 'CALLER', 'WHAT', 'DECISION', 'OUTCOME', 'MS', 'WOULD', 'FOUND'] as const;
/** Columns before this one are there even when they are empty. */
const alwaysShown = 7;
const cellCharsMax = 60;

/** Findings as a table for a terminal. Whatever a record holds, the terminal obeys none of it. */
export function printFindings({ records, unreadable }: Findings): string {
  const rows = records.map((record) => [...cellsOf(record), wouldOf(record), foundOf(record)].map(cell));
  const widths = columns.map((title, at) => {
    const longest = rows.reduce((most, row) => Math.max(most, row[at]?.length ?? 0), 0);
    // What is seldom there takes no room where it is not.
    return at >= alwaysShown && longest === 0 ? 0 : Math.max(title.length, longest);
  });
  const lines = [columns, ...rows].map((row) =>
    row
      .flatMap((text, at) => (widths[at] === 0 ? [] : [text.padEnd(widths[at] ?? 0)]))
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
      return [
        time,
        textOf(record['id']),
        textOf(record['caller']) || `(${textOf(record['remote'])})`,
        aimOf(record),
        decided.filter((it) => it !== '').join(' '),
        endingOf(record),
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
      const rest = without(record, ['seq', 'prev', 'time', 'kind']);
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

function endingOf(record: JsonObject): string {
  const tries = record['attempt'];
  const decliner = textOf(record['declinedBy']);
  const parts = [
    textOf(record['outcome']),
    // `declined declined` says nothing; who said no does.
    decliner === '' ? textOf(record['error']) : `by ${decliner}`,
    quoted(textOf(objectAt(record, 'refusedBy')['rule'])),
    typeof tries === 'number' ? `at try ${tries}` : '',
  ];
  return parts.filter((it) => it !== '').join(' ');
}

/** What enforcing everything would have done: `deny "no writes"`, `limit 10/min per caller`. */
function wouldOf(record: JsonObject): string {
  const would = objectAt(objectAt(record, 'decision'), 'would');
  const verdict = `${textOf(would['kind'])} ${quoted(textOf(would['rule']))}`.trim();
  const limit = textOf(would['limit']);
  return [verdict, limit === '' ? '' : `limit ${limit}`].filter((it) => it !== '').join(', ');
}

/** What redaction found, on the way in and out: `in: email 2; out: iban 1`. */
function foundOf(record: JsonObject): string {
  const found = objectAt(record, 'found');
  return ['in', 'out']
    .filter((way) => found[way] !== undefined)
    .map((way) => `${way}: ${countsOf(objectAt(found, way))}`)
    .join('; ');
}

function countsOf(counts: JsonObject): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${numberOf(count)}`)
    .join(', ');
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
