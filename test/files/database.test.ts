import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { Database, type DatabasePlace } from '../../src/files/database.ts';

const applicationId = 0x6d637064;
const steps = ['CREATE TABLE words (word TEXT PRIMARY KEY) STRICT;'];

const lacksTool = spawnSync('sqlite3', ['-version']).error === undefined ? false : 'needs sqlite3';

let dir = '';
let path = '';
let opened: Database[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-database-'));
  path = join(dir, 'it.db');
  opened = [];
});
afterEach(() => {
  for (const database of opened) database.close();
  rmSync(dir, { recursive: true, force: true });
});

function open(more: Partial<DatabasePlace> = {}): Database {
  const database = Database.open({ path, applicationId, steps, sync: 'full', ...more });
  opened.push(database);
  return database;
}
const add = (database: Database, word: string) =>
  database.transaction(() => database.run('INSERT INTO words VALUES (?)', word));
const words = (database: Database) =>
  database.all('SELECT word FROM words ORDER BY word').map(({ word }) => word);
/** Makes a file with one word in it, and closes it. */
function left(word = 'kept'): void {
  const database = open();
  add(database, word);
  database.close();
}

/** As a daemon that is killed leaves it, with a `-wal` beside it. */
function killed(): void {
  const script = `
    import { Database } from ${JSON.stringify(join(import.meta.dirname, '../../src/files/database.ts'))};
    const it = Database.open(${JSON.stringify({ path, applicationId, steps, sync: 'full' })});
    it.transaction(() => it.run("INSERT INTO words VALUES ('last')"));
    process.kill(process.pid, 'SIGKILL');`;
  const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(signal, 'SIGKILL', String(stderr));
}

function refuses(what: RegExp, more: Partial<DatabasePlace> = {}): void {
  assert.throws(
    () => open(more),
    (fault: unknown) => {
      assert.ok(fault instanceof Fault, String(fault));
      assert.equal(fault.code, 'CONFIG_INVALID');
      assert.match(fault.detail ?? '', what);
      assert.ok(fault.detail?.includes(path));
      assert.ok((fault.hint ?? '') !== '');
      return true;
    },
  );
}

const fails = (work: () => void, what: RegExp) =>
  assert.throws(work, (fault: unknown) => fault instanceof Fault && what.test(fault.detail ?? ''));

describe('a database', () => {
  test('keeps what was committed, whole or not at all', () => {
    const database = open();
    add(database, 'one');
    assert.throws(() =>
      database.transaction(() => {
        database.run("INSERT INTO words VALUES ('two')");
        throw new Error('half way');
      }),
    );
    database.close();
    assert.deepEqual(words(open()), ['one']);
  });

  test('keeps what was committed before a kill', () => {
    left();
    killed();
    assert.deepEqual(words(open()), ['kept', 'last']);
  });

  test('is its owner’s alone with all that stands beside it, whatever the umask', () => {
    const before = process.umask(0);
    try {
      const database = open();
      add(database, 'one');
      for (const end of ['', '-wal', '-shm']) assert.equal(statSync(path + end).mode & 0o777, 0o600, end);
      assert.equal(process.umask(), 0);
    } finally {
      process.umask(before);
    }
  });

  test('begins with what it is given, in the transaction that makes it', () => {
    const begin = (database: Database) => void database.run("INSERT INTO words VALUES ('old')");
    assert.throws(() =>
      open({
        begin: (database) => {
          begin(database);
          throw new Error('half way');
        },
      }),
    );
    const database = open({ begin });
    assert.deepEqual(words(database), ['old']);
    database.close();
    assert.deepEqual(words(open({ begin })), ['old']);
  });

  test('of an older version is brought to the newest, and what fails on the way changes nothing', () => {
    left();
    const second = 'ALTER TABLE words ADD COLUMN said INTEGER;';
    refuses(/cannot be understood|syntax/, { steps: [...steps, second, 'CREATE nonsense;'] });
    const database = open({ steps: [...steps, second] });
    assert.deepEqual(
      database.all('SELECT * FROM words').map((row) => ({ ...row })),
      [{ word: 'kept', said: null }],
    );
  });

  test('is one file for two connections, and neither waits for the other', () => {
    const [full, off] = [open(), open({ sync: 'off', mayBeNew: false })];
    for (let round = 0; round < 50; round++) {
      add(full, `full ${round}`);
      add(off, `off ${round}`);
    }
    assert.equal(words(full).length, 100);
    assert.equal(words(off).length, 100);
  });

  test('keeps its locks while a second connection is opened', { skip: lacksTool }, () => {
    const database = open();
    add(database, 'one');
    open({ sync: 'off' });
    // Whoever is the last to close a database in write-ahead mode removes its -wal: a person's tool must not be.
    const { stdout } = spawnSync('sqlite3', [path, 'SELECT word FROM words']);
    assert.equal(String(stdout).trim(), 'one');
    assert.ok(existsSync(`${path}-wal`));
    add(database, 'two');
  });

  test('has no more pages than it may, and goes on when there is room again', () => {
    const database = open({ pagesMax: 20 });
    const word = (letter: string) => letter.repeat(20_000);
    add(database, word('a'));
    fails(() => add(database, word('b') + word('c') + word('d') + word('e')), /no room left/);
    assert.deepEqual(words(database), [word('a')]);
    database.transaction(() => database.run('DELETE FROM words'));
    add(database, word('b'));
    assert.deepEqual(words(database), [word('b')]);
  });

  test('that another program holds says so, and works again when it does not', () => {
    const database = open();
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    fails(() => add(database, 'one'), /another program is using it/);
    other.exec('COMMIT');
    other.close();
    add(database, 'one');
  });

  for (const [what, play] of [
    ['replaced by a copy', () => (copyFileSync(path, `${path}.copy`), renameSync(`${path}.copy`, path))],
    ['removed', () => rmSync(path)],
    ['without its -wal', () => rmSync(`${path}-wal`)],
  ] as const)
    test(`that is ${what} while it is open takes no change that the next start would not see`, () => {
      const database = open();
      add(database, 'one');
      play();
      fails(() => add(database, 'two'), /replaced or removed/);
    });

  test('mistakes of ours stay what they are', () => {
    const database = open();
    add(database, 'one');
    assert.throws(() => add(database, 'one'), { code: 'ERR_SQLITE_ERROR' });
    add(database, 'two');
  });
});

describe('a file is refused, with what to do, when it is', () => {
  const tricks: Readonly<Record<string, readonly [(file: string) => void, RegExp]>> = {
    'a symbolic link': [
      (file) => {
        renameSync(file, `${file}.elsewhere`);
        symlinkSync(`${file}.elsewhere`, file);
      },
      /is a symbolic link/,
    ],
    'a link to nothing': [
      (file) => {
        rmSync(file);
        symlinkSync(`${file}.elsewhere`, file);
      },
      /is a symbolic link/,
    ],
    'a second name': [(file) => linkSync(file, `${file}.second`), /hard link/],
    'writable by others': [(file) => chmodSync(file, 0o622), /other users/],
    'readable by others': [(file) => chmodSync(file, 0o644), /other users/],
    'a named pipe': [
      (file) => {
        rmSync(file);
        assert.equal(spawnSync('mkfifo', [file]).status, 0);
      },
      /not a plain file/,
    ],
    'a folder': [
      (file) => {
        rmSync(file);
        mkdirSync(file);
      },
      /not a plain file/,
    ],
  };
  for (const end of ['', '-wal', '-shm'])
    for (const [what, [play, says]] of Object.entries(tricks))
      test(`it${end} as ${what}`, () => {
        killed();
        play(path + end);
        refuses(says);
      });

  test('garbage', () => {
    writeFileSync(path, 'not what mcpd wrote\n'.repeat(1000), { mode: 0o600 });
    refuses(/not a database/);
  });

  for (const [what, damage] of [
    ['filled with zeros', () => writeFileSync(path, Buffer.alloc(statSync(path).size))],
    ['cut in half', () => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ['cut to its first page', () => truncateSync(path, 4096)],
    ['cut to nothing', () => truncateSync(path, 0)],
    ['gone', () => rmSync(path)],
    [
      'without a page of it',
      () => {
        const bytes = readFileSync(path);
        bytes.fill(0, 4096, 8192);
        writeFileSync(path, bytes);
      },
    ],
  ] as const)
    test(what, () => {
      left();
      damage();
      refuses(/is gone|has lost everything|cannot be used|is damaged|not a database/, { mayBeNew: false });
    });

  test('gone, and its -wal is not', () => {
    killed();
    rmSync(path);
    refuses(/its -wal is not/);
  });

  test('another program’s', () => {
    const other = new DatabaseSync(path);
    other.exec('CREATE TABLE theirs (a)');
    other.close();
    chmodSync(path, 0o600);
    refuses(/not a database of mcpd/);
  });

  test('of another application id', () => {
    left();
    const other = new DatabaseSync(path);
    other.exec('PRAGMA application_id = 7');
    other.close();
    refuses(/not a database of mcpd/);
  });

  test('of a newer version', () => {
    left();
    const other = new DatabaseSync(path);
    other.exec('PRAGMA user_version = 2');
    other.close();
    refuses(/newer mcpd/);
  });

  test('one to which something was added that acts by itself', () => {
    left();
    const other = new DatabaseSync(path);
    other.exec("CREATE TRIGGER t AFTER INSERT ON words BEGIN DELETE FROM words WHERE word = 'off'; END");
    other.close();
    refuses(/other tables/);
  });
});

describe('what stands beside a database may be lost or spoilt after a kill', () => {
  for (const [what, spoil] of [
    ['its -wal is gone', () => rmSync(`${path}-wal`)],
    ['its -wal is cut in half', () => truncateSync(`${path}-wal`, 6000)],
    ['its -wal is filled with zeros', () => writeFileSync(`${path}-wal`, Buffer.alloc(20_000))],
    ['its -wal is garbage', () => writeFileSync(`${path}-wal`, 'x'.repeat(20_000))],
    ['its -shm is gone', () => rmSync(`${path}-shm`)],
    ['its -shm is garbage', () => writeFileSync(`${path}-shm`, 'x'.repeat(40_000))],
    ['its -wal has something behind it', () => appendFileSync(`${path}-wal`, 'x'.repeat(5000))],
  ] as const)
    test(what, () => {
      left();
      killed();
      assert.ok(existsSync(`${path}-wal`));
      spoil();
      const database = open({ mayBeNew: false });
      assert.deepEqual(words(database), ['kept', 'last']);
      add(database, 'more');
    });
});
