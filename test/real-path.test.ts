import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { readFileSync } from 'node:fs';
import { namedArgument } from './policy/arguments-of-rules.ts';
import { realPath } from '../src/real-path.ts';
import { absent, corpusFile, corpusLines } from './support/corpora.ts';

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-real-')));
after(() => rmSync(dir, { recursive: true, force: true }));
const root = join(dir, 'allowed');
mkdirSync(join(root, 'sub'), { recursive: true });
mkdirSync(join(dir, 'allowed_evil'));
mkdirSync(join(dir, 'outside', 'deep'), { recursive: true });
for (const file of [join(root, 'a.txt'), join(dir, 'allowed_evil', 'a.txt'), join(dir, 'secret')])
  writeFileSync(file, '');
symlinkSync('/etc', join(root, 'link-to-etc'));
symlinkSync(join(dir, 'nowhere'), join(root, 'dangling-link'));
symlinkSync('sub', join(root, 'link-inside'));
symlinkSync(join(dir, 'outside', 'deep'), join(root, 'link-out'));
symlinkSync('loop-b', join(root, 'loop-a'));
symlinkSync('loop-a', join(root, 'loop-b'));
symlinkSync('/proc/self/root', join(root, 'link-to-proc'));

describe('a real path', () => {
  const told: readonly (readonly [path: string, real: string | undefined])[] = [
    [join(root, 'a.txt'), join(root, 'a.txt')],
    [`${root}/`, root],
    [`${root}//./a.txt`, join(root, 'a.txt')],
    [join(root, 'new', 'file'), join(root, 'new', 'file')],
    [join(root, 'link-inside', 'x'), join(root, 'sub', 'x')],
    [join(root, 'link-to-etc', 'passwd'), realpathSync('/etc/passwd')],
    [`${root}/../secret`, join(dir, 'secret')],
    [`${root}/new/../../secret`, join(dir, 'secret')],
    ['/', '/'],
    ['/..', '/'],
  ];
  for (const [path, real] of told)
    test(`of ${path.replace(dir, 'DIR')}`, () => assert.equal(realPath(path), real));

  const untold: readonly (readonly [why: string, path: string])[] = [
    ['no text', ''],
    ['a relative path', 'a.txt'],
    ['a home folder', '~/x'],
    ['a URI', `file://${root}/a.txt`],
    ['a NUL', `${root}/a.txt\0.png`],
    ['half a character', `${root}/\ud800`],
    ['a link that leads nowhere', join(root, 'dangling-link')],
    ['a file behind such a link', join(root, 'dangling-link', 'x')],
    ['links in a circle', join(root, 'loop-a', 'x')],
    ['a file in a file', join(root, 'a.txt', 'x')],
    ['a name that is too long', join(root, 'a'.repeat(300))],
    ['a path that is too long', `/${'a/'.repeat(3000)}`],
    ['another process', '/proc/1/root/etc'],
    ['itself, which is another process to the server', `/proc/self/root${root}/a.txt`],
    ['a link through it', `${root}/link-to-proc${root}/a.txt`],
    ['an open file', '/dev/fd/0'],
    ['a step back from behind a link, which two readers take in two ways', `${root}/link-out/../x`],
  ];
  for (const [why, path] of untold)
    test(`cannot be told of ${why}`, () => assert.equal(realPath(path), undefined));

  test(
    'cannot be told of what is in a folder that may not be searched',
    { skip: process.getuid?.() === 0 ? 'root may search every folder' : false },
    () => {
      const closed = join(dir, 'closed');
      mkdirSync(closed);
      chmodSync(closed, 0);
      assert.equal(realPath(join(closed, 'x')), undefined);
      chmodSync(closed, 0o700);
    },
  );
});

const within = namedArgument('path', { kind: 'within', folders: [root] });

test(
  'every path of the test data gets the verdict written beside it',
  { skip: absent('mcpd-own/paths.jsonl') },
  () => {
    type Line = { readonly id: string; readonly path: never; readonly expect: string };
    for (const { id, path, expect } of corpusLines<Line>('mcpd-own/paths.jsonl')) {
      const here = JSON.parse(JSON.stringify(path).replaceAll('/data', dir)) as never;
      const holds = within(here, realPath);
      if (expect === 'ALLOW' || expect.startsWith('ALLOW_')) assert.equal(holds, 'yes', id);
      // `DENY_OR_LITERAL`: the characters stand for themselves, as they do for the kernel.
      else if (expect.startsWith('DENY_OR_') || expect === 'LITERAL') {
        const literal = typeof path === 'string' && here === realPath(here);
        const canonical = id === 'path-22';
        assert.ok(holds !== 'yes' || literal || canonical, `${id}: ${holds}`);
      } else assert.notEqual(holds, 'yes', id);
    }
  },
);

test(
  'no climbing path of the public lists gets out of its folder',
  { skip: absent('path-traversal') },
  () => {
    const lists = [
      'directory_traversal',
      'deep_traversal',
      'traversals-8-deep-exotic-encoding',
      'JHADDIX_LFI',
    ];
    let refused = 0;
    for (const list of lists) {
      for (const line of readFileSync(corpusFile(`path-traversal/${list}.txt`), 'latin1').split('\n')) {
        for (const path of [line, `${root}/${line}`, `${root}${line}`]) {
          const holds = within(path, realPath);
          if (holds !== 'yes') refused++;
          // What is allowed stands in the folder by its letters and by the kernel's own word.
          else assert.ok(realPath(path)?.startsWith(root), path);
        }
      }
    }
    assert.ok(refused > 1000);
  },
);
