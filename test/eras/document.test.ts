// The era table that people read is the one that is tested.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from '../support/daemon.ts';
import { cellOf, doors, kinds, rows, textOf, type Door } from './cells.ts';

const document = readFileSync(join(projectRoot, 'docs', 'eras.md'), 'utf8');

/** The rows of the first table under a heading, as the texts of their cells. */
function tableUnder(heading: string): string[][] {
  const [, section = ''] = document.split(`\n### ${heading}\n`);
  const [own = ''] = section.split(/\n##+ /);
  return own
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[-|: ]+\|$/.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

const expectedAt = (door: Door): string[][] => [
  ['server', 'protocol', ...kinds],
  ...rows.map((row) => [
    row.conduct,
    `"${row.protocol}"`,
    ...kinds.map((kind) => textOf(cellOf(kind, door, row))),
  ]),
];

describe('the document of the eras', () => {
  for (const door of doors)
    it(`has exactly the cells that are tested over ${door}`, () => {
      assert.deepEqual(tableUnder(door), expectedAt(door));
    });

  it('has a table for each door, and no other', () => {
    const headings = [...document.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
    assert.deepEqual(headings, [...doors]);
  });
});
