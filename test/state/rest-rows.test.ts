import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Database } from '../../src/files/database.ts';
import { RestRows, type Rest } from '../../src/state/rest-rows.ts';
import { breakState, mendState, stateIn } from '../support/state.ts';

let dir = '';
let database: Database;
let troubles: unknown[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-rests-'));
  database = stateIn(dir);
  troubles = [];
});
afterEach(() => {
  database.close();
  rmSync(dir, { recursive: true, force: true });
});

const rows = () =>
  new RestRows({
    database,
    clean: (text) => text.replaceAll('s3cret', '[redacted]'),
    onTrouble: (reason) => troubles.push(reason),
  });
const rest = (tool: string, untilMs = 5000): Rest => ({
  ...{ server: 'fx', tool, since: 1000, untilMs, restMs: 4000 },
});

describe('the rests in the database', () => {
  test('are there after a restart, one for each tool, until they are dropped', () => {
    for (const tool of ['echo', 'x\ud800', 'x\ud801', 'a\0b', '"']) rows().keep(rest(tool));
    rows().keep(rest('echo', 7000));
    rows().drop('fx', 'x\ud800');
    assert.deepEqual(
      new Map(
        rows()
          .load()
          .map(({ tool, untilMs }) => [tool, untilMs]),
      ),
      new Map([
        ['"', 5000],
        ['a\0b', 5000],
        ['echo', 7000],
        ['x\ud801', 5000],
      ]),
    );
    assert.deepEqual(troubles, []);
  });

  test('hold no name with a secret in it, and none without end', () => {
    rows().keep(rest('read_s3cret'));
    rows().keep(rest('x'.repeat(2000)));
    assert.deepEqual(rows().load(), []);
  });

  test('that make no sense are left out', () => {
    rows().keep(rest('echo'));
    database.transaction(() => {
      database.run("INSERT INTO breakers VALUES ('fx', 'never', -1, 5, 5)");
      database.run(`INSERT INTO breakers VALUES ('fx', '"half', 1, 5, 5)`);
    });
    assert.deepEqual(
      rows()
        .load()
        .map(({ tool }) => tool),
      ['echo'],
    );
  });

  test('that cannot be kept are told, and nothing is thrown', () => {
    breakState(dir);
    rows().keep(rest('echo'));
    rows().drop('fx', 'echo');
    assert.equal(troubles.length, 2);
    mendState(dir);
    rows().keep(rest('echo'));
    assert.equal(rows().load().length, 1);
  });
});
