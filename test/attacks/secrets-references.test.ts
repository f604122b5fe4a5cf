// Where a reference to a secret could be turned: a literal that was meant as one, and files that a server may write.
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { rule, serving, TestDaemon } from '../support/daemon.ts';

/** What the daemon says when it will not start with these tables of a server file, and of mcpd.toml. */
async function refused(
  tables: string,
  more: {
    readonly lines?: string;
    readonly daemon?: string;
    readonly servers?: Readonly<Record<string, string>>;
    readonly prepare?: (dir: string) => void;
  } = {},
): Promise<string> {
  await using daemon = await TestDaemon.start({
    canaries: false,
    boot: false,
    daemon: more.daemon ?? '',
    servers: { fx: `${serving('answers', more.lines)}${tables}\n${rule('allow', ['*'])}`, ...more.servers },
    prepare: ({ dir }) => {
      mkdirSync(join(dir, 'data'));
      writeFileSync(join(dir, 'data', 'token'), 'value', { mode: 0o600 });
      more.prepare?.(dir);
    },
  });
  const came = await daemon.boot().then(
    () => 'it started',
    (reason: Error) => reason.message,
  );
  return came;
}

describe('what was meant as a reference is not handed to a server as text', () => {
  for (const value of [
    'keychain:notes/token',
    'keychain:not a name',
    'keychain:',
    'keychain: notes',
    'file:token',
    'file:',
    'file:/run/secrets/x y',
  ])
    test(value, async () => {
      assert.match(await refused(`[env]\nX = ${JSON.stringify(value)}`), /looks like a secret reference/);
    });

  for (const value of ['file:///srv/data', 'keychains:x', 'a file:x', 'vault:kv/path'])
    test(`${value} is another program's business`, async () => {
      assert.equal(await refused(`[env]\nX = ${JSON.stringify(value)}`), 'it started');
    });
});

describe('what mcpd itself takes from a file is not where a server may write', () => {
  const write = 'sandbox = "auto"\nwrite = ["$DIR/data"]';
  const says = /lies where the server "\w+" may write/;
  const secret = (path: string) => `[secrets]\nTOKEN = "file:${path}"`;

  test('its own secret: a link in its place would give it any file of the owner', async () => {
    assert.match(await refused(secret('$DIR/data/token'), { lines: write }), says);
  });

  test('a secret that is not there yet', async () => {
    assert.match(await refused(secret('$DIR/data/later'), { lines: write }), says);
  });

  test('over a link, either way', async () => {
    const prepare = (dir: string) => {
      mkdirSync(join(dir, 'kept'));
      writeFileSync(join(dir, 'kept', 'token'), 'value', { mode: 0o600 });
      symlinkSync(join(dir, 'data', 'token'), join(dir, 'in'));
      symlinkSync(join(dir, 'kept', 'token'), join(dir, 'data', 'out'));
      symlinkSync(join(dir, 'data'), join(dir, 'folder'));
    };
    for (const path of ['$DIR/in', '$DIR/data/out', '$DIR/folder/token'])
      assert.match(await refused(secret(path), { lines: write, prepare }), says, path);
    assert.equal(await refused(secret('$DIR/kept/token'), { lines: write, prepare }), 'it started');
  });

  test('the secret of another server', async () => {
    const servers = { other: `${serving('answers', write)}${rule('allow', ['*'])}` };
    assert.match(await refused(secret('$DIR/data/token'), { servers }), says);
  });

  test('the key of the vault, and a program that knows secrets', async () => {
    assert.match(
      await refused('', { lines: write, daemon: '[secrets.vault]\nkey = "file:$DIR/data/key"\n' }),
      says,
    );
    const prepare = (dir: string) =>
      writeFileSync(join(dir, 'data', 'op'), '#!/bin/sh\necho value\n', { mode: 0o755 });
    assert.match(
      await refused('', { lines: write, daemon: '[secrets.commands.op]\nrun = ["$DIR/data/op"]\n', prepare }),
      says,
    );
  });
});
