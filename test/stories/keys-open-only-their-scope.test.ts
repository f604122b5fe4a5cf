// A key opens what it was made for, for as long as it was made for, and says afterwards when it was used.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { initialize, post, rule, serving, TestDaemon, until } from '../support/daemon.ts';

type Listed = {
  name: string;
  id: string;
  lastUsedAt: string | null;
  good: boolean;
  expiresAt: string | null;
};

describe('keys open only their scope', () => {
  let daemon: TestDaemon;
  before(async () => {
    const classes =
      '[tools.read_file]\nrisk = "read"\neffect = "reads"\n[tools.write_file]\nrisk = "write"\neffect = "writes"\n';
    daemon = await TestDaemon.start({
      servers: {
        one: serving('answers', `${rule('allow', ['read_file', 'write_file'])}${classes}`),
        two: serving('answers', rule('allow', ['*'])),
      },
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const make = async (...args: string[]): Promise<{ key: string; id: string }> => {
    const { code, stdout, stderr } = await daemon.mcpd(['key', ...args, '--json']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as { key: string; id: string };
  };
  const list = async (): Promise<Listed[]> =>
    (JSON.parse((await daemon.mcpd(['key', 'list', '--json'])).stdout) as { keys: Listed[] }).keys;
  const begins = async (server: string, key: string) =>
    (await post(daemon, server, key, undefined, initialize())).status;

  it('a key for one server opens that one, and the other is as unknown as one that does not exist', async () => {
    const { key } = await make('add', 'narrow', '--server', 'one');
    assert.equal(await begins('one', key), 200);
    const other = await post(daemon, 'two', key, undefined, initialize());
    const none = await post(daemon, 'no-such-server', key, undefined, initialize());
    assert.deepEqual([other.status, other.body.error?.message], [none.status, none.body.error?.message]);
    assert.equal(other.status, 404);
  });

  it('a key for some tools lists and calls these', async () => {
    const { key } = await make('add', 'tools', '--tool', 'one/read_*');
    const session = await daemon.session('one', { key });
    assert.deepEqual(await session.list('tools'), ['read_file']);
    assert.equal(await session.text('read_file', { path: 'a' }), 'content of a');
    assert.match(await session.text('write_file', { path: 'a' }), /Unknown tool/);
  });

  it('a key for reading is told, of a tool that writes, what it lacks', async () => {
    const { key } = await make('add', 'reader', '--risk', 'read');
    const session = await daemon.session('one', { key });
    assert.equal(await session.text('read_file', { path: 'a' }), 'content of a');
    const refused = await session.call('write_file', { path: 'a' });
    assert.deepEqual([refused.status, refused.body.error?.code], [403, 1403]);
  });

  it('a rotated key and the new one are the same caller until the old one is taken away', async () => {
    const first = await make('add', 'ci', '--server', 'one');
    const mine = await daemon.session('one', { key: first.key });
    const second = await make('rotate', 'ci', '--overlap', '1h');
    assert.equal(
      (await post(daemon, 'one', second.key, mine.id, { jsonrpc: '2.0', id: 1, method: 'ping' })).status,
      200,
    );
    assert.deepEqual([await begins('one', first.key), await begins('one', second.key)], [200, 200]);
    assert.equal(await begins('two', second.key), 404, 'the scope is the same');
    await make('revoke', first.id);
    assert.deepEqual([await begins('one', first.key), await begins('one', second.key)], [401, 200]);
    assert.equal((await mine.request('ping')).status, 401);
  });

  it('a key ends when it was made to', async () => {
    const { key, id } = await make('add', 'short', '--expires', '30d');
    assert.equal(await begins('one', key), 200);
    // As if a month had gone by: the file is changed by somebody else, and nobody tells the daemon.
    const path = join(daemon.state, 'keys.json');
    const file = JSON.parse(readFileSync(path, 'utf8')) as { keys: { id: string; expiresAt?: string }[] };
    for (const it of file.keys) if (it.id === id) it.expiresAt = '2026-01-01T00:00:00.000Z';
    writeFileSync(path, JSON.stringify(file));
    await until('the key is over', async () => (await begins('one', key)) === 401);
    const failed = await daemon.audit('--since', '1h');
    assert.ok(failed.some(({ reason }) => reason === 'an expired key of short'));
  });

  it('a key file that is broken while the daemon runs lets nobody in who was out, and nobody out who was in', async () => {
    const { key } = await make('add', 'steady');
    const path = join(daemon.state, 'keys.json');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, '{');
    await until('the daemon has complained', () =>
      daemon.log().includes('those that were known stay in force'),
    );
    assert.deepEqual([await begins('one', key), await begins('one', `${key.slice(0, -1)}!`)], [200, 401]);
    writeFileSync(path, text);
  });

  it('a guesser is slowed down, and its neighbour with a good key is not', async () => {
    const statuses: number[] = [];
    let retryAfter: string | null = null;
    for (let i = 0; i < 60; i++) {
      const reply = await post(daemon, 'one', `mcpd_AAAAAAAA_${'x'.repeat(43)}`, undefined, initialize());
      statuses.push(reply.status);
      retryAfter = reply.headers.get('retry-after') ?? retryAfter;
    }
    assert.deepEqual([...new Set(statuses)], [401, 429]);
    assert.ok(Number(retryAfter) > 0);
    assert.equal(await begins('one', daemon.key), 200);
    assert.equal((await post(daemon, 'one', undefined, undefined, initialize())).status, 401);
  });

  it('when a key was last used is known after the daemon has stopped', async () => {
    const before = await list();
    assert.equal(await daemon.end(), 0);
    const tester = (await list()).find(({ name }) => name === 'tester');
    assert.ok(tester?.lastUsedAt != null && Math.abs(Date.parse(tester.lastUsedAt) - Date.now()) < 300_000);
    assert.ok(before.length > 5);
    await daemon.boot();
    assert.equal(await begins('one', daemon.key), 200);
  });
});
