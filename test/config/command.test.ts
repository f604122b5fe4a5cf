import assert from 'node:assert/strict';
import { chmodSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { doubtsAbout, resolveCommand } from '../../src/config/command.ts';
import { put, scratch } from './scratch.ts';

test('a program is found by its path, by a path from the file, or on a path nobody can change', (t) => {
  const dir = scratch(t);
  put(dir, { 'bin/tool': '#!/bin/sh\n', 'node/node': '', 'servers/x': '' });
  for (const program of ['bin/tool', 'node/node']) chmodSync(join(dir, program), 0o755);
  const find = (written: string) => resolveCommand(written, join(dir, 'servers'), join(dir, 'node/node'));

  assert.deepEqual(find(join(dir, 'bin/tool')), { ok: true, command: join(dir, 'bin/tool') });
  assert.deepEqual(find('../bin/tool'), { ok: true, command: join(dir, 'bin/tool') });
  assert.deepEqual(find('node'), { ok: true, command: join(dir, 'node/node') });
  assert.ok(find('sh').ok);
  assert.equal(find('tool').ok, false);
  assert.equal(find('x').ok, false, 'a bare name is never a file beside the policy');
});

test('what cannot be executed, or can be changed by anyone, is refused', (t) => {
  const dir = scratch(t);
  put(dir, { plain: '', open: '', 'folder/x': '', 'drop/tool': '' });
  chmodSync(join(dir, 'open'), 0o777);
  chmodSync(join(dir, 'drop/tool'), 0o755);
  chmodSync(join(dir, 'drop'), 0o777);
  const why = (written: string) => {
    const resolved = resolveCommand(written, dir, '/usr/bin/node');
    return resolved.ok ? 'ok' : resolved.what;
  };
  assert.match(why('./plain'), /may not be executed/);
  assert.match(why('./open'), /anyone on this machine may change/);
  assert.match(why('./drop/tool'), /anyone on this machine may change/);
  assert.match(why('./folder'), /is not a program/);
});

test('a program behind a link keeps the name it is started by', (t) => {
  const dir = scratch(t);
  put(dir, { 'real/python3.12': '', 'venv/x': '' });
  chmodSync(join(dir, 'real/python3.12'), 0o755);
  symlinkSync(join(dir, 'real/python3.12'), join(dir, 'venv/python'));
  symlinkSync(join(dir, 'venv'), join(dir, 'current'));
  assert.deepEqual(resolveCommand('./current/python', dir, '/usr/bin/node'), {
    ok: true,
    command: join(dir, 'venv/python'),
  });
});

test('code in arguments and versions that float are doubted; what is pinned is not', () => {
  const doubted: readonly (readonly [string, readonly string[], string | number])[] = [
    ['node', ['-e', 'x'], 0],
    ['/usr/bin/node', ['--no-warnings', '--eval=x'], 1],
    ['bash', ['-lc', 'x'], 0],
    ['python3.12', ['-c', 'x'], 0],
    ['npx', ['-y', 'some-server'], 1],
    ['npx', ['@scope/server@latest'], 0],
    ['npx', ['@scope/server@^1.2.3'], 0],
    ['npx', ['--package=server', 'run-it'], 0],
    ['uvx', ['mcp-server-git'], 0],
    ['npx', [], 'command'],
  ];
  for (const [command, args, at] of doubted) {
    assert.deepEqual(
      doubtsAbout(command, args).map((doubt) => doubt.at),
      [at],
      `${command} ${args.join(' ')}`,
    );
  }
  const fine: readonly (readonly [string, readonly string[]])[] = [
    ['node', ['server.js', '--port', '1']],
    ['npx', ['-y', '@scope/server@1.2.3', 'latest']],
    ['npx', ['-p', 'server@1.2.3', 'run-it']],
    ['uvx', ['mcp-server-git==0.6.2']],
    ['uvx', ['--from', 'tool==1.0.0', 'run-it']],
    ['my-server', ['-c', 'conf']],
  ];
  for (const [command, args] of fine)
    assert.deepEqual(doubtsAbout(command, args), [], `${command} ${args.join(' ')}`);
});
