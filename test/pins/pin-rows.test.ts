import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../src/domain/faults.ts';
import type { Database } from '../../src/files/database.ts';
import type { Lock, Pin } from '../../src/pins/lock.ts';
import { PinRows } from '../../src/pins/pin-rows.ts';
import { breakState, mendState, stateIn } from '../support/state.ts';

let dir = '';
let database: Database;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-pins-'));
  database = stateIn(dir);
});
afterEach(() => {
  database.close();
  rmSync(dir, { recursive: true, force: true });
});

const pin = (more: Partial<Pin> = {}): Pin => ({
  ...{ digest: 'ab'.repeat(32), at: 1, how: 'first', by: '', definition: '{"name":"a"}' },
  ...more,
});
const fx = (tools: Record<string, Pin>, sealed = true): Lock =>
  new Map([['fx', { sealed, tools: new Map(Object.entries(tools)) }]]);
const reopened = () => PinRows.open(database).load();

describe('the pins in the database', () => {
  test('are what was saved last, whatever the names and whatever changed', () => {
    const text = fc.oneof(
      fc.string({ minLength: 1, unit: 'binary' }),
      fc.constantFrom('__proto__', '"', 'x\ud800', 'x\ufffd', 'a\0b', 'a', 'b'),
    );
    const pins = fc.record(
      {
        digest: fc.constantFrom('ab'.repeat(32), 'cd'.repeat(32)),
        at: fc.nat(),
        how: fc.constantFrom('first' as const, 'server' as const, 'tool' as const),
        by: fc.string({ unit: 'binary' }),
        definition: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
      },
      { noNullPrototype: true },
    );
    const tools = fc.array(fc.tuple(text, pins), { maxLength: 5 }).map((entries) => new Map(entries));
    const server = fc.record({ sealed: fc.boolean(), tools }, { noNullPrototype: true });
    const lock = fc.array(fc.tuple(text, server), { maxLength: 4 }).map((entries) => new Map(entries));
    fc.assert(
      fc.property(lock, (next) => {
        PinRows.open(database).save(next);
        assert.deepEqual(reopened(), next);
      }),
      { numRuns: 100 },
    );
  });

  test('are changed whole or not at all', () => {
    const rows = PinRows.open(database);
    rows.save(fx({ a: pin() }));
    breakState(dir);
    assert.throws(() => rows.save(fx({ a: pin({ digest: 'cd'.repeat(32) }), b: pin() })), Fault);
    assert.deepEqual(reopened(), fx({ a: pin() }));
    mendState(dir);
    rows.save(fx({ b: pin() }));
    assert.deepEqual(reopened(), fx({ b: pin() }));
  });

  test('have a bound for all definitions together', () => {
    const rows = PinRows.open(database);
    const definition = 'x'.repeat(12 * 1024 * 1024);
    const large = { a: pin({ definition }), b: pin({ definition }) };
    rows.save(fx(large));
    assert.throws(
      () => rows.save(fx({ ...large, c: pin({ definition }) })),
      (fault) => fault instanceof Fault && fault.code === 'TOO_LARGE',
    );
  });

  for (const [what, sql] of [
    ['of a server that is not there', "DELETE FROM pinned_servers WHERE name = 'fx'"],
    ['of nobody knows which way', "UPDATE pins SET how = 'guess'"],
    ['with half a digest', "UPDATE pins SET digest = 'ab'"],
    ['with another digest', `UPDATE pins SET digest = '${'cd'.repeat(32)}'`],
    ['with another server', "UPDATE pinned_servers SET name = 'fy'"],
    ['that are not sealed any more', 'UPDATE pinned_servers SET sealed = 0'],
    ['sealed in another way', 'UPDATE pinned_servers SET sealed = 2'],
    ['that are gone', 'DELETE FROM pins'],
  ] as const)
    test(`${what} stop the start, rather than what is listed next being approved`, () => {
      PinRows.open(database).save(fx({ a: pin() }));
      database.transaction(() => database.run(sql));
      assert.throws(
        reopened,
        (fault) =>
          fault instanceof Fault && fault.code === 'CONFIG_INVALID' && /pins/.test(fault.detail ?? ''),
      );
    });
});
