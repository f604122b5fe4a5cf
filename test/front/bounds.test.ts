// What grows must have an end. A machine cannot see whether it has one; it can see that somebody has written down which.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const text = readFileSync(join(root, 'docs', 'limits.md'), 'utf8');
/** A member of a class that begins empty: what it holds is put in later. */
const collection =
  /^ {2}(?:readonly )?#?\w+(?:: (?:[^=\n]|=>)+)? = (?:new (?:Map|Set|Roster)(?:<.*>)?\(\)|\[\]);/m;

describe('what grows', () => {
  const files = globSync('**/*.ts', { cwd: join(root, 'src') }).filter(
    // A command of its own ends with what it holds.
    (file) => !file.startsWith('cli/'),
  );
  const growing = files.filter((file) => collection.test(readFileSync(join(root, 'src', file), 'utf8')));

  it('is found in the source', () => assert.ok(growing.length > 40, `${growing.length}`));

  for (const file of growing)
    it(`in ${file} has a bound that is written down`, () => {
      assert.ok(text.includes(`\`${file}\``), `docs/limits.md does not say what bounds what ${file} holds`);
    });

  it('is written down only where it is', () => {
    const named = [...text.matchAll(/`((?:[a-z-]+\/)?[a-z-]+\.ts)`/g)].map(([, file = '']) => file);
    for (const file of named) assert.ok(existsSync(join(root, 'src', file)), `docs/limits.md names ${file}`);
  });

  it('has the tests that are named', () => {
    const rows = [...text.matchAll(/\((test\/[^)]+)\)/g)].map(([, named = '']) => named.split(', '));
    assert.ok(rows.length > 30);
    for (const names of rows) {
      const folder = (names[0] ?? '').replace(/\/[^/]+$/, '');
      for (const name of names) {
        const path = name.startsWith('test/') ? name : `${folder}/${name}`;
        assert.ok(existsSync(join(root, `${path}.test.ts`)), `docs/limits.md names ${path}.test.ts`);
      }
    }
  });
});
