import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import type { SwitchedOff, Switches } from '../../src/domain/orders.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { Database } from '../../src/files/database.ts';
import { readSwitches } from '../../src/operate/switch-text.ts';
import { nothingSwitchedOff, switchedOff, SwitchStore, withSwitch } from '../../src/operate/switches.ts';
import { writeSwitches } from '../support/old-state.ts';
import { breakState, mendState, stateIn } from '../support/state.ts';

let dir = '';
let database: Database;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-switches-'));
  database = stateIn(dir);
});
afterEach(() => {
  database.close();
  rmSync(dir, { recursive: true, force: true });
});
/** What a daemon would find that starts now. */
const reopened = () => SwitchStore.open(database);

const off: SwitchedOff = { at: 1, by: 'ana', reason: 'rogue' };
const tool = { kind: 'tool', name: 'files/write_file' } as const;
const imposed = (store: SwitchStore) => store.impose(withSwitch(store.current(), tool, off));

const refuses = (pattern: RegExp) =>
  assert.throws(reopened, (reason: unknown) => {
    assert.ok(reason instanceof Fault);
    assert.equal(reason.code, 'CONFIG_INVALID');
    assert.match(reason.detail ?? '', pattern);
    assert.ok(reason.hint);
    return true;
  });

describe('a switch', () => {
  test('is still thrown after a restart', () => {
    assert.deepEqual(imposed(reopened()), { durable: true });
    const later = reopened();
    assert.deepEqual(switchedOff(later.current(), tool), off);
    assert.equal(later.changes(), 1);
  });

  test('that was taken back stays taken back', () => {
    const store = reopened();
    imposed(store);
    assert.deepEqual(store.relax(withSwitch(store.current(), tool, undefined)), { durable: true });
    assert.equal(switchedOff(reopened().current(), tool), undefined);
  });

  test('is in force when the disk cannot keep it, and says so', () => {
    const store = reopened();
    breakState(dir);
    assert.equal(imposed(store).durable, false);
    assert.equal(store.durable, false);
    assert.deepEqual(switchedOff(store.current(), tool), off);
    mendState(dir);
    assert.deepEqual(store.retry(), { durable: true });
    assert.deepEqual(switchedOff(reopened().current(), tool), off);
  });

  test('is not taken back when the disk cannot keep that', () => {
    const store = reopened();
    imposed(store);
    breakState(dir);
    assert.equal(store.relax(withSwitch(store.current(), tool, undefined)).durable, false);
    assert.deepEqual(switchedOff(store.current(), tool), off);
  });

  test('changes a new value and leaves the old one alone', () => {
    const next = withSwitch(nothingSwitchedOff, tool, off);
    assert.equal(nothingSwitchedOff.tools.size, 0);
    assert.equal(next.tools.size, 1);
  });
});

const row = fc.record(
  { at: fc.nat(), by: fc.string(), reason: fc.string({ unit: 'binary' }) },
  { noNullPrototype: true },
);
const name = fc.oneof(
  fc.string({ minLength: 1, unit: 'grapheme' }),
  fc.string({ minLength: 1, unit: 'binary' }),
  // Half a pair of surrogates is lost in UTF-8, and two names would be one.
  fc.constantFrom('__proto__', 'constructor', '"', '"a"', 'a\0b', 'x\ud800', 'x\ud801', 'x\ufffd'),
);
const rows = fc.array(fc.tuple(name, row)).map((entries) => new Map(entries));
const lockdown = fc.option(row, { nil: undefined });

describe('the switches in the database', () => {
  test("keep a person's words and every name, `__proto__` included", () => {
    fc.assert(
      fc.property(rows, rows, rows, lockdown, (tools, servers, callers, all) => {
        const switches: Switches = { tools, servers, callers, lockdown: all };
        const store = reopened();
        assert.deepEqual(store.impose(switches), { durable: true });
        assert.deepEqual(reopened().current(), switches);
        assert.equal(reopened().changes(), store.changes());
      }),
      { numRuns: 60 },
    );
  });

  test('are not written over by a second daemon, which is told so', () => {
    const first = reopened();
    const second = reopened();
    imposed(first);
    const saved = second.impose(nothingSwitchedOff);
    assert.match(saved.durable ? '' : saved.why, /changed by something else/);
    assert.deepEqual(switchedOff(reopened().current(), tool), off);
  });

  test('that were thrown while the disk was full are all there once one more is kept', () => {
    const store = reopened();
    breakState(dir);
    imposed(store);
    const other = { kind: 'server', name: 'files' } as const;
    store.impose(withSwitch(store.current(), other, off));
    assert.equal(reopened().current().tools.size, 0);
    mendState(dir);
    assert.deepEqual(store.relax(withSwitch(store.current(), other, undefined)), { durable: true });
    assert.deepEqual(switchedOff(reopened().current(), tool), off);
    assert.equal(switchedOff(reopened().current(), other), undefined);
    assert.equal(reopened().changes(), store.changes());
  });

  for (const [what, sql] of [
    ['of a kind that is not known', "INSERT INTO switches VALUES ('group', 'x', 1, '', '')"],
    ['without a name', "INSERT INTO switches VALUES ('tool', '', 1, '', '')"],
    ['for a lockdown with a name', "INSERT INTO switches VALUES ('lockdown', 'x', 1, '', '')"],
    ['from before 1970', "INSERT INTO switches VALUES ('tool', 'x', -1, '', '')"],
    ['from the end of time', "INSERT INTO switches VALUES ('tool', 'x', 9223372036854775807, '', '')"],
    ['whose name ends in the middle', `INSERT INTO switches VALUES ('tool', '"x', 1, '', '')`],
    ['whose name could be two', `INSERT INTO switches VALUES ('tool', '"x"', 1, '', '')`],
  ] as const)
    test(`with a row ${what} stop the start instead of meaning "nothing"`, () => {
      database.transaction(() => database.run(sql));
      refuses(/cannot be understood/);
    });

  for (const [what, sql] of [
    ['less', 'DELETE FROM switches'],
    ['with another name', "UPDATE switches SET name = 'files/write_fild'"],
    ['more', "INSERT INTO switches VALUES ('tool', 'x', 1, '', '')"],
    ['of another version', "UPDATE parts SET version = 7 WHERE part = 'switches'"],
  ] as const)
    test(`that are ${what} than was written stop the start`, () => {
      imposed(reopened());
      database.transaction(() => database.run(sql));
      refuses(/not those that mcpd wrote/);
    });

  test('without their place in the database stop the start', () => {
    database.transaction(() => database.run("DELETE FROM parts WHERE part = 'switches'"));
    refuses(/not those that mcpd wrote/);
  });
});

describe('the switch file of an older mcpd', () => {
  const refusesText = (text: string | Buffer) =>
    assert.throws(
      () => readSwitches(Buffer.from(text), 'x'),
      (reason) => reason instanceof Fault && /cannot be understood/.test(reason.detail ?? ''),
    );

  for (const [what, text] of [
    ['empty', ''],
    ['filled with zeros', '\0'.repeat(300)],
    ['cut short', '{"version":1,"changes":1,"lockdown":nu'],
    ['an array', '[]'],
    ['from a newer mcpd', '{"version":2,"everything":"different"}'],
    ['without a version', '{"changes":0,"lockdown":null,"servers":[],"tools":[],"callers":[]}'],
    [
      'of a strange version',
      '{"version":"1","changes":0,"lockdown":null,"servers":[],"tools":[],"callers":[]}',
    ],
    ['without its tools', '{"version":1,"changes":0,"lockdown":null,"servers":[],"callers":[]}'],
    [
      'with an unknown member',
      '{"version":1,"changes":0,"lockdown":null,"servers":[],"tools":[],"callers":[],"groups":[]}',
    ],
    [
      'with a member twice',
      '{"version":1,"changes":0,"lockdown":null,"servers":[],"tools":[],"tools":[],"callers":[]}',
    ],
    [
      'with a lockdown of false',
      '{"version":1,"changes":0,"lockdown":false,"servers":[],"tools":[],"callers":[]}',
    ],
    [
      'with a row without a name',
      '{"version":1,"changes":0,"lockdown":null,"servers":[],"tools":[{"at":1,"by":"","reason":""}],"callers":[]}',
    ],
    [
      'with a row that says less',
      '{"version":1,"changes":0,"lockdown":null,"servers":[],"tools":[{"name":"a/b"}],"callers":[]}',
    ],
  ] as const)
    test(`that is ${what} is refused instead of meaning "nothing"`, () => refusesText(text));

  test('that is not UTF-8 is refused', () => refusesText(Buffer.from([0x7b, 0xff, 0x7d])));

  test('gives back what was written', () => {
    fc.assert(
      fc.property(rows, rows, rows, lockdown, fc.nat(), (tools, servers, callers, all, changes) => {
        const switches: Switches = { tools, servers, callers, lockdown: all };
        const back = readSwitches(Buffer.from(writeSwitches({ changes, switches })), 'x');
        assert.deepEqual(back, { changes, switches });
      }),
      { numRuns: 60 },
    );
  });
});
