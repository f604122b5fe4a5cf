import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { childCookie } from '../../src/cookie.ts';
import { Fault } from '../../src/domain/faults.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mcpd-cookie-'));
  folders.push(made);
  return made;
}

describe('the mark of our children', () => {
  it('stays what it is, also where the directory is moved', () => {
    const dir = folder();
    const mark = childCookie(dir);
    assert.match(mark, /^[0-9a-f]{32}$/);
    assert.equal(childCookie(dir), mark);
    const moved = `${dir}-moved`;
    renameSync(dir, moved);
    folders.push(moved);
    assert.equal(childCookie(moved), mark);
  });

  it('is another one in a copy, whose daemon would end the children of the first one', () => {
    const dir = folder();
    const mark = childCookie(dir);
    const copy = folder();
    cpSync(dir, copy, { recursive: true });
    const other = childCookie(copy);
    assert.notEqual(other, mark);
    assert.deepEqual([childCookie(copy), childCookie(dir)], [other, mark]);
  });

  it('of an earlier version is gone on with', () => {
    const dir = folder();
    const path = join(dir, 'child-cookie');
    writeFileSync(path, 'ab'.repeat(16), { mode: 0o600 });
    assert.deepEqual([childCookie(dir), childCookie(dir)], ['ab'.repeat(16), 'ab'.repeat(16)]);
    assert.match(readFileSync(path, 'utf8'), /^(ab){16} \d+:\d+$/);
  });

  it('that is none is not used, and not made anew unasked', () => {
    const dir = folder();
    writeFileSync(join(dir, 'child-cookie'), 'ab', { mode: 0o600 });
    assert.throws(
      () => childCookie(dir),
      (reason) => reason instanceof Fault && reason.code === 'CONFIG_INVALID',
    );
  });
});
