import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { SessionTable, sessionsStep } from '../../src/callers/session-records.ts';
import { Database } from '../../src/files/database.ts';

const folders: string[] = [];
afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function placeOf(): string {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-records-'));
  folders.push(dir);
  return join(dir, 'sessions.db');
}

const steps = [sessionsStep];
const openAt = (path: string, more: { pagesMax?: number } = {}): Database =>
  Database.open({ path, applicationId: 7, steps, sync: 'off', ...more });

function tableAt(
  path: string,
  bounds: { sessionsMax?: number; perCallerMax?: number } = {},
  more: { pagesMax?: number } = {},
) {
  const database = openAt(path, more);
  const troubles: (string | undefined)[] = [];
  const table = new SessionTable({
    database,
    bounds: { sessionsMax: 100, perCallerMax: 100, ...bounds },
    trouble: (fault) => troubles.push(fault?.code),
  });
  return { table, database, troubles };
}

const of = (caller: string, more = ''): string => JSON.stringify({ caller, more });
const rowsAt = (path: string): number => {
  const file = openAt(path);
  const { n } = file.get('SELECT count(*) AS n FROM sessions') ?? {};
  file.close();
  return Number(n);
};

describe('records of sessions', () => {
  it('are found at once, and in the file a little later, in one write', async () => {
    const path = placeOf();
    const { table, database } = tableAt(path);
    let writes = 0;
    const transaction = database.transaction.bind(database);
    database.transaction = (work) => (writes++, transaction(work));
    for (let at = 0; at < 50; at++) table.put(`m${at}`, of('alice'), at);
    assert.equal(table.find('m7')?.record, of('alice'));
    assert.equal(rowsAt(path), 0);
    while (rowsAt(path) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual([rowsAt(path), writes], [50, 1]);
    table.close();
  });

  it('are removed before `remove` returns, and what waited to be written is not written any more', () => {
    const path = placeOf();
    const { table } = tableAt(path);
    for (const mark of ['a', 'b', 'c']) table.put(mark, of('alice'), 1);
    table.flush();
    table.put('a', of('alice', 'later'), 2);
    table.touch('b', 3);
    table.remove(['a', 'b']);
    // As a crash would leave it.
    assert.equal(rowsAt(path), 1);
    table.flush();
    assert.equal(rowsAt(path), 1);
    assert.deepEqual([table.find('a'), table.find('b')], [undefined, undefined]);
    table.close();
  });

  it('are touched without being written anew, and go when nobody used them', () => {
    const path = placeOf();
    const { table } = tableAt(path);
    table.put('old', of('alice'), 10);
    table.put('new', of('alice'), 10);
    table.flush();
    table.touch('new', 30);
    table.touch('never was', 30);
    assert.deepEqual(table.find('new'), { record: of('alice'), usedAt: 30 });
    table.sweep(20);
    assert.deepEqual([table.find('old'), table.find('new')?.usedAt], [undefined, 30]);
    assert.equal(rowsAt(path), 1);
    table.close();
  });

  it('are cut at the start to what may be open at once; what is no record goes first', () => {
    const path = placeOf();
    const first = tableAt(path).table;
    for (let at = 0; at < 20; at++) first.put(`alice${at}`, of('alice'), 100 + at);
    for (let at = 0; at < 3; at++) first.put(`bob${at}`, of('bob'), at);
    first.put('garbage', '{"caller":', 999);
    first.put('nobody', '{}', 999);
    first.close();
    const { table } = tableAt(path, { perCallerMax: 5, sessionsMax: 7 });
    assert.deepEqual([table.find('garbage'), table.find('nobody')], [undefined, undefined]);
    assert.notEqual(table.find('alice19'), undefined);
    assert.equal(table.find('alice14'), undefined, 'one caller has no more than its part');
    assert.notEqual(table.find('bob2'), undefined);
    assert.equal(table.find('bob0'), undefined, 'and all together no more than theirs');
    table.close();
    assert.equal(rowsAt(path), 7);
  });

  it('say once that the file is full, and are written when there is room again', () => {
    const path = placeOf();
    const { table, database, troubles } = tableAt(path, {}, { pagesMax: 8 });
    const long = 'x'.repeat(8000);
    for (let at = 0; at < 10; at++) table.put(`m${at}`, of('alice', long), 1);
    table.flush();
    table.flush();
    assert.equal(troubles.length, 1);
    assert.equal(rowsAt(path), 0, 'all of it or nothing');
    assert.notEqual(table.find('m3'), undefined, 'what is not written is known all the same');
    database.all('PRAGMA max_page_count = 1000');
    table.flush();
    assert.deepEqual([rowsAt(path), troubles.at(-1)], [10, undefined]);
    table.close();
  });

  it('of a session that ended are not found, also while the file cannot be written', () => {
    const path = placeOf();
    const { table, database, troubles } = tableAt(path);
    table.put('a', of('alice'), 1);
    table.flush();
    database.all('PRAGMA query_only = ON');
    table.remove(['a']);
    assert.equal(table.find('a'), undefined);
    table.put('a', of('alice'), 2);
    assert.equal(table.find('a'), undefined, 'it does not come back');
    assert.equal(troubles.length, 1);
    database.all('PRAGMA query_only = OFF');
    table.flush();
    assert.equal(rowsAt(path), 0);
    table.close();
  });

  it('that began and ended while the file cannot be written are forgotten, and reading it is no news', () => {
    const path = placeOf();
    const { table, database, troubles } = tableAt(path);
    table.put('kept', of('alice'), 1);
    table.flush();
    database.all('PRAGMA query_only = ON');
    for (let at = 0; at < 50; at++) {
      table.put(`m${at}`, of('alice'), 2);
      table.remove([`m${at}`]);
      assert.equal(table.find(`m${at}`), undefined);
    }
    table.remove(['kept']);
    assert.equal(troubles.length, 1);
    database.all('PRAGMA query_only = OFF');
    const removed: unknown[] = [];
    const run = database.run.bind(database);
    database.run = (sql, ...values) => (
      sql.startsWith('DELETE') && removed.push(values[0]),
      run(sql, ...values)
    );
    table.flush();
    assert.deepEqual([removed, rowsAt(path), troubles.at(-1)], [['kept'], 0, undefined]);
    table.close();
  });

  it('that nobody can write down do not fill the memory', () => {
    const path = placeOf();
    const { table, database } = tableAt(path);
    database.all('PRAGMA query_only = ON');
    const long = 'x'.repeat(60_000);
    for (let at = 0; at < 200; at++) table.put(`m${at}`, of('alice', long), 1);
    const known = Array.from({ length: 200 }, (_, at) => table.find(`m${at}`)).filter(
      (it) => it !== undefined,
    );
    assert.ok(known.length > 0 && known.length < 80, `${known.length} wait`);
    database.all('PRAGMA query_only = OFF');
    table.close();
  });
});
