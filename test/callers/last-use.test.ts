import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { LastUse, readUses } from '../../src/callers/last-use.ts';

const at = Date.parse('2026-03-01T00:00:00.000Z');

function open(t: TestContext, dir = mkdtempSync(join(tmpdir(), 'mcpd-used-'))) {
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const due: (() => void)[] = [];
  const failures: unknown[] = [];
  const uses = new LastUse({
    dir,
    later: (afterMs, run) => {
      assert.equal(afterMs, 60_000);
      due.push(run);
      return () => due.splice(due.indexOf(run), 1);
    },
    failed: (reason) => failures.push(reason),
  });
  return { dir, uses, due, failures };
}

test('a thousand uses are written once, when the minute is over', async (t) => {
  const { dir, uses, due } = open(t);
  for (let i = 0; i < 1000; i++) uses.note('AAAAAAAA', at + i);
  assert.equal(due.length, 1);
  assert.deepEqual(readdirSync(dir), []);
  due.pop()?.();
  await uses.close();
  assert.deepEqual([...readUses(dir)], [['AAAAAAAA', at + 999]]);
  assert.deepEqual(readdirSync(dir), ['keys-used.json']);
  assert.equal(statSync(join(dir, 'keys-used.json')).mode & 0o777, 0o600);
});

test('what was not written yet is written at the end, and known to the next daemon', async (t) => {
  const { dir, uses } = open(t);
  uses.note('AAAAAAAA', at);
  await uses.close();
  const next = open(t, dir);
  next.uses.note('BBBBBBBB', at + 1);
  await next.uses.close();
  assert.deepEqual(
    [...readUses(dir)],
    [
      ['AAAAAAAA', at],
      ['BBBBBBBB', at + 1],
    ],
  );
});

test('keys that are gone are forgotten', async (t) => {
  const { dir, uses } = open(t);
  uses.note('AAAAAAAA', at);
  uses.note('BBBBBBBB', at);
  uses.keepOnly(new Set(['BBBBBBBB']));
  await uses.close();
  assert.deepEqual([...readUses(dir).keys()], ['BBBBBBBB']);
});

test('a file that cannot be written is told, and a file that cannot be read is nothing known', async (t) => {
  const { dir, uses, failures } = open(t);
  uses.note('AAAAAAAA', at);
  rmSync(dir, { recursive: true });
  await uses.close();
  assert.equal(failures.length, 1);
  const other = open(t);
  for (const text of ['', '[]', '{"used":[]}', '{"used":{"x":"y"}}', 'null']) {
    writeFileSync(join(other.dir, 'keys-used.json'), text, { mode: 0o600 });
    assert.deepEqual([...readUses(other.dir)], []);
    assert.equal(readFileSync(join(other.dir, 'keys-used.json'), 'utf8'), text);
  }
});
