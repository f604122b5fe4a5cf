import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { redactActions } from '../../src/domain/orders.ts';
import { detectors } from '../../src/redact/detectors.ts';
import { groups, redactNames } from '../../src/redact/names.ts';
import { neverCaught, notCaught } from '../../src/redact/not-caught.ts';
import { personalDetectors } from '../../src/redact/personal.ts';

const manual = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'redaction.md'), 'utf8');
const words = manual.replaceAll(/\s+/g, ' ');

/** The table of detectors as the manual has it: each name once, with what it is known by. */
function secretTable(): string {
  const known = new Map<string, string[]>();
  for (const { name, literals } of detectors) known.set(name, [...(known.get(name) ?? []), ...literals]);
  const rows = [...known]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, literals]) => {
      const shown = literals.slice(0, 4).map((it) => `\`${it.trim()}\``);
      const more = literals.length > 4 ? ' …' : '';
      return `| \`${name}\` | ${shown.join(' ')}${more} |`;
    });
  return ['| name | begins with, or stands behind |', '|---|---|', ...rows].join('\n');
}

describe('the manual', () => {
  test('lists every detector of secrets, and what it is known by', () => {
    assert.ok(manual.includes(secretTable()), `the table should read:\n${secretTable()}`);
  });
  test('speaks of every kind of personal data, every group and every action', () => {
    for (const name of [...personalDetectors.map((it) => it.name), ...groups.keys(), ...redactActions])
      assert.ok(manual.includes(`\`${name}\``) || manual.includes(`"${name}"`), name);
  });
  test('says what is not caught, all of it', () => {
    for (const why of [...notCaught.values(), ...neverCaught]) assert.ok(words.includes(why), why);
  });
});

test('every name of a detector is a name that a marker can hold', () => {
  for (const name of redactNames) assert.match(name, /^[a-z0-9][a-z0-9-]{1,31}$/);
});
