// What a daemon finds when it starts, and what an older or a newer one does with it.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { Grant, Switches } from '../../src/domain/orders.ts';
import { openState, type State } from '../../src/open-state.ts';
import { GrantStore } from '../../src/operate/grants.ts';
import { nothingSwitchedOff, SwitchStore, withSwitch } from '../../src/operate/switches.ts';
import type { Lock } from '../../src/pins/lock.ts';
import { PinRows } from '../../src/pins/pin-rows.ts';
import { writeGrants, writeLock, writeSwitches } from '../support/old-state.ts';

let dir = '';
let states: State[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-state-'));
  states = [];
});
afterEach(() => {
  for (const state of states) state.close();
  rmSync(dir, { recursive: true, force: true });
});

const at = (name: string) => join(dir, name);
const put = (name: string, text: string) => writeFileSync(at(name), text, { mode: 0o600 });

function open(): State {
  const state = openState(dir);
  states.push(state);
  return state;
}
/** Does something with an open state, and closes it. */
function during<T>(work: (state: State) => T): T {
  const state = open();
  try {
    return work(state);
  } finally {
    state.close();
  }
}
const offIn = ({ database }: State) => SwitchStore.open(database).current();
const throwSwitch = ({ database }: State) => {
  const store = SwitchStore.open(database);
  const off = { at: 5, by: 'ana', reason: 'rogue' };
  const next = withSwitch(store.current(), { kind: 'tool', name: 'fx/later' }, off);
  assert.deepEqual(store.impose(next), { durable: true });
};

function refuses(what: RegExp, hint = /./): void {
  assert.throws(open, (fault: unknown) => {
    assert.ok(fault instanceof Fault, String(fault));
    assert.equal(fault.code, 'CONFIG_INVALID');
    assert.match(fault.detail ?? '', what);
    assert.match(fault.hint ?? '', hint);
    return true;
  });
}

const off = { at: 1, by: 'ana', reason: 'rogue' };
const switches: Switches = {
  tools: new Map([['fx/list_dir', off]]),
  servers: new Map([['old', off]]),
  callers: new Map([['x\ud800', off]]),
  lockdown: off,
};
const grant: Grant = {
  ...{ id: 'g1', caller: 'ana', server: 'fx', tool: 'echo', by: 'ops', reason: '' },
  ...{ at: 1000, untilMs: 5000 },
};
const lock: Lock = new Map([
  [
    'fx',
    {
      sealed: true,
      tools: new Map([
        ['echo', { digest: 'ab'.repeat(32), at: 1, how: 'first', by: '', definition: '{"name":"echo"}' }],
        ['more', { digest: 'cd'.repeat(32), at: 2, how: 'tool', by: 'ana', definition: undefined }],
      ]),
    },
  ],
]);

/** What an mcpd without a database left here. */
function writeOld(): void {
  put('switches.json', writeSwitches({ changes: 7, switches }));
  put('switches-were-kept', '');
  put('grants.json', writeGrants({ changes: 3, grants: [grant] }));
  put('pins.json', writeLock(lock));
  put('takes', 'mcpd takes 1\n');
}

function mustHoldAll({ database }: State): void {
  const store = SwitchStore.open(database);
  assert.deepEqual(store.current(), switches);
  assert.equal(store.changes(), 7);
  assert.deepEqual(GrantStore.open(database).current(), [grant]);
  assert.equal(GrantStore.open(database).changes(), 3);
  assert.deepEqual(PinRows.open(database).load(), lock);
}

describe('the first start', () => {
  test('makes the database and the marks, and nothing else', () => {
    during((state) => assert.deepEqual(offIn(state), nothingSwitchedOff));
    assert.deepEqual(readdirSync(dir).sort(), ['state-was-kept', 'state.db', 'switches-were-kept']);
  });

  test('leaves an older mcpd no way to start with nothing switched off', () => {
    during(throwSwitch);
    // That one refuses where this file is and switches.json is not.
    assert.ok(existsSync(at('switches-were-kept')) && !existsSync(at('switches.json')));
  });

  test('that ended after the file was made, and before anything was in it, is made again', () => {
    const file = new DatabaseSync(at('state.db'));
    file.exec('PRAGMA journal_mode = WAL');
    file.close();
    chmodSync(at('state.db'), 0o600);
    during(throwSwitch);
    assert.equal(during(offIn).tools.size, 1);
  });
});

describe('the state of an older mcpd', () => {
  test('is taken over whole, and put aside', () => {
    writeOld();
    during(mustHoldAll);
    assert.deepEqual(readdirSync(dir).sort(), [
      'grants.json.migrated',
      'pins.json.migrated',
      'state-was-kept',
      'state.db',
      'switches-were-kept',
      'switches.json.migrated',
      'takes',
    ]);
    during(mustHoldAll);
  });

  for (const name of ['switches.json', 'grants.json', 'pins.json'])
    test(`of which ${name} is damaged is not taken over in part`, () => {
      writeOld();
      const good = readFileSync(at(name));
      truncateSync(at(name), Math.floor(good.length / 2));
      refuses(/cannot be understood/);
      writeFileSync(at(name), good);
      during(mustHoldAll);
    });

  test('that lost its switches is refused, and is refused again', () => {
    writeOld();
    rmSync(at('switches.json'));
    refuses(/are gone/, /switches-were-kept/);
    refuses(/are gone/, /switches-were-kept/);
    // What the hint says.
    rmSync(at('switches-were-kept'));
    during((state) => assert.deepEqual(offIn(state), nothingSwitchedOff));
  });

  test('that others could have written is refused', () => {
    writeOld();
    chmodSync(at('switches.json'), 0o666);
    refuses(/written by other users/);
    chmodSync(at('switches.json'), 0o600);
    renameSync(at('grants.json'), at('elsewhere'));
    symlinkSync(at('elsewhere'), at('grants.json'));
    refuses(/symbolic link/);
  });

  test('that was taken over and not yet put aside is put aside', () => {
    writeOld();
    during(mustHoldAll);
    for (const name of ['switches.json', 'grants.json', 'pins.json'])
      renameSync(at(`${name}.migrated`), at(name));
    rmSync(at('state-was-kept'));
    during(mustHoldAll);
    assert.ok(existsSync(at('switches.json.migrated')) && existsSync(at('state-was-kept')));
  });

  for (const [name, text] of [
    ['switches.json', writeSwitches({ changes: 8, switches })],
    ['grants.json', writeGrants({ changes: 3, grants: [] })],
    ['pins.json', writeLock(new Map())],
  ] as const)
    test(`that wrote ${name} after it had been taken over is not ignored`, () => {
      writeOld();
      during(mustHoldAll);
      put(name, text);
      refuses(/was written by an older mcpd, after/, /^mv /);
      renameSync(at(name), at(`${name}.other`));
      during(mustHoldAll);
    });

  test('that knew nothing of a database is not followed where there was one from the start', () => {
    during(throwSwitch);
    put('switches.json', writeSwitches({ changes: 0, switches: nothingSwitchedOff }));
    refuses(/was written by an older mcpd, after/);
  });
});

describe('state that is gone is never "nothing is switched off"', () => {
  for (const [what, play] of [
    ['without state.db', () => rmSync(at('state.db'))],
    ['with a state.db of no bytes', () => truncateSync(at('state.db'), 0)],
    [
      'with a state.db that holds nothing',
      () => {
        rmSync(at('state.db'));
        const file = new DatabaseSync(at('state.db'));
        file.exec('PRAGMA journal_mode = WAL');
        file.close();
        chmodSync(at('state.db'), 0o600);
      },
    ],
    [
      'without state.db and its mark, which leaves the mark of an older mcpd',
      () => {
        rmSync(at('state.db'));
        rmSync(at('state-was-kept'));
      },
    ],
  ] as const)
    test(what, () => {
      during(throwSwitch);
      const good = readFileSync(at('state.db'));
      play();
      refuses(/state\.db/, /put back|put one of them back/);
      refuses(/state\.db/);
      writeFileSync(at('state.db'), good, { mode: 0o600 });
      assert.equal(during(offIn).tools.size, 1);
    });

  test('and what limits have counted is missed as well', () => {
    during(({ takesAreKept }) => {
      takesAreKept();
      takesAreKept();
    });
    refuses(/takes is gone/, /echo 'mcpd takes 1'/);
    put('takes', 'mcpd takes 1\n');
    during(() => undefined);
  });

  test('but a restored copy counts as it stands', () => {
    during(throwSwitch);
    const copy = readFileSync(at('state.db'));
    during(({ database }) => SwitchStore.open(database).relax(nothingSwitchedOff));
    assert.equal(during(offIn).tools.size, 0);
    writeFileSync(at('state.db'), copy);
    assert.equal(during(offIn).tools.size, 1);
  });
});

test('what a newer mcpd wrote is refused, and left as it is', () => {
  during(throwSwitch);
  const file = new DatabaseSync(at('state.db'));
  file.exec('PRAGMA user_version = 999; ALTER TABLE switches ADD COLUMN until INTEGER');
  file.close();
  refuses(/newer mcpd \(version 999/, /start the newer mcpd/);
  const again = new DatabaseSync(at('state.db'));
  assert.equal(again.prepare('SELECT count(*) AS count FROM switches').get()?.['count'], 1);
  again.close();
});

test('the quick connection and the other see the same rows', () => {
  during(({ database, quick }) => {
    quick.transaction(() => quick.run("INSERT INTO sessions VALUES ('a', 1, '{}')"));
    assert.equal(database.all('SELECT * FROM sessions').length, 1);
  });
});
