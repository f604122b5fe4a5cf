import assert from 'node:assert/strict';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import type { SwitchedOff, Switches } from '../../src/domain/orders.ts';
import { Fault } from '../../src/domain/faults.ts';
import { readSwitches, writeSwitches } from '../../src/operate/switch-text.ts';
import { nothingSwitchedOff, switchedOff, SwitchStore, withSwitch } from '../../src/operate/switches.ts';

let dir = '';
let file = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-switches-'));
  file = join(dir, 'switches.json');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const off: SwitchedOff = { at: 1, by: 'ana', reason: 'rogue' };
const tool = { kind: 'tool', name: 'files/write_file' } as const;
const imposed = (store: SwitchStore) => store.impose(withSwitch(store.current(), tool, off));

/** Makes the state file unwritable for everyone, root included: a directory stands where the new file would be written. */
function breakDisk(): void {
  mkdirSync(join(dir, 'switches.json.new', 'x'), { recursive: true });
}
const mendDisk = () => rmSync(join(dir, 'switches.json.new'), { recursive: true });

const refuses = (pattern: RegExp) =>
  assert.throws(
    () => SwitchStore.open(dir),
    (reason: unknown) => {
      assert.ok(reason instanceof Fault);
      assert.equal(reason.code, 'CONFIG_INVALID');
      assert.match(reason.detail ?? '', pattern);
      assert.ok(reason.hint);
      return true;
    },
  );

describe('a switch', () => {
  test('is still thrown after a restart', () => {
    assert.deepEqual(imposed(SwitchStore.open(dir)), { durable: true });
    const later = SwitchStore.open(dir);
    assert.deepEqual(switchedOff(later.current(), tool), off);
    assert.equal(later.changes(), 1);
  });

  test('that was taken back stays taken back', () => {
    const store = SwitchStore.open(dir);
    imposed(store);
    assert.deepEqual(store.relax(withSwitch(store.current(), tool, undefined)), { durable: true });
    assert.equal(switchedOff(SwitchStore.open(dir).current(), tool), undefined);
  });

  test('is in force when the disk cannot keep it, and says so', () => {
    const store = SwitchStore.open(dir);
    breakDisk();
    assert.equal(imposed(store).durable, false);
    assert.equal(store.durable, false);
    assert.deepEqual(switchedOff(store.current(), tool), off);
    mendDisk();
    assert.deepEqual(store.retry(), { durable: true });
    assert.deepEqual(switchedOff(SwitchStore.open(dir).current(), tool), off);
  });

  test('is not taken back when the disk cannot keep that', () => {
    const store = SwitchStore.open(dir);
    imposed(store);
    breakDisk();
    assert.equal(store.relax(withSwitch(store.current(), tool, undefined)).durable, false);
    assert.deepEqual(switchedOff(store.current(), tool), off);
  });

  test('changes a new value and leaves the old one alone', () => {
    const next = withSwitch(nothingSwitchedOff, tool, off);
    assert.equal(nothingSwitchedOff.tools.size, 0);
    assert.equal(next.tools.size, 1);
  });
});

describe('the switch file', () => {
  test('is readable by its owner alone, and nothing else is left lying', () => {
    imposed(SwitchStore.open(dir));
    assert.equal(lstatSync(file).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(dir).sort(), ['switches-were-kept', 'switches.json']);
  });

  test('survives a crash that left half a new one behind', () => {
    imposed(SwitchStore.open(dir));
    writeFileSync(`${file}.new`, '{"version":1,"chan');
    const store = SwitchStore.open(dir);
    assert.deepEqual(switchedOff(store.current(), tool), off);
    assert.deepEqual(store.impose(store.current()), { durable: true });
  });

  test('may be missing only in a directory that never held one', () => {
    assert.equal(SwitchStore.open(dir).current().tools.size, 0);
    rmSync(file);
    refuses(/is gone/);
  });

  test('with a crash before its mark was made is found all the same', () => {
    imposed(SwitchStore.open(dir));
    rmSync(join(dir, 'switches-were-kept'));
    assert.deepEqual(switchedOff(SwitchStore.open(dir).current(), tool), off);
    rmSync(file);
    refuses(/is gone/);
  });

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
  ] as const) {
    test(`that is ${what} stops the start instead of meaning "nothing"`, () => {
      SwitchStore.open(dir);
      writeFileSync(file, text);
      refuses(/cannot be understood/);
    });
  }

  test('that is not UTF-8 stops the start', () => {
    SwitchStore.open(dir);
    writeFileSync(file, Buffer.from([0x7b, 0xff, 0x7d]));
    refuses(/cannot be understood/);
  });

  test('that others can write stops the start', () => {
    SwitchStore.open(dir);
    chmodSync(file, 0o622);
    refuses(/written by other users/);
  });

  test('that is a symbolic link stops the start', () => {
    SwitchStore.open(dir);
    renameSync(file, join(dir, 'elsewhere'));
    symlinkSync(join(dir, 'elsewhere'), file);
    refuses(/symbolic link/);
  });

  test('with a hard link stops the start', () => {
    SwitchStore.open(dir);
    linkSync(file, join(dir, 'second'));
    refuses(/hard link/);
  });

  test('that is a directory stops the start', () => {
    SwitchStore.open(dir);
    rmSync(file);
    mkdirSync(file);
    refuses(/not a plain file/);
  });

  test("keeps a person's words and every name, `__proto__` included", () => {
    const row = fc.record(
      { at: fc.nat(), by: fc.string(), reason: fc.string({ unit: 'binary' }) },
      { noNullPrototype: true },
    );
    const name = fc.oneof(
      fc.string({ minLength: 1, unit: 'grapheme' }),
      fc.constantFrom('__proto__', 'constructor'),
    );
    const rows = fc.array(fc.tuple(name, row)).map((entries) => new Map(entries));
    fc.assert(
      fc.property(
        rows,
        rows,
        rows,
        fc.option(row, { nil: undefined }),
        fc.nat(),
        (tools, servers, callers, lockdown, changes) => {
          const switches: Switches = { tools, servers, callers, lockdown };
          const back = readSwitches(Buffer.from(writeSwitches({ changes, switches })), 'x');
          assert.deepEqual(back, { changes, switches });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('can be read by a person', () => {
    imposed(SwitchStore.open(dir));
    assert.match(readFileSync(file, 'utf8'), /^ +"name": "files.write_file",$/m);
  });
});
