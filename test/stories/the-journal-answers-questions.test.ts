// Whoever holds a value finds who sent it, from a journal in which nobody can read it; asked while calls are being made.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { rule, serving, TestDaemon } from '../support/daemon.ts';

describe('the journal answers questions', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', rule('allow', ['echo'], 'record = ["path"]')) },
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  it('a value that no record holds is found by its digest, small or large, sent or refused', async () => {
    const session = await daemon.session('fx');
    for (const value of [randomUUID(), `${randomUUID()} ${'x'.repeat(10_000)}`, 'ä "quoted" \u2028']) {
      const [sent, refused] = [
        await session.call('echo', { text: value }),
        await session.call('nope', { text: value }),
      ];
      const ids = (await daemon.audit('--arg', `text=${value}`)).map(({ id }) => id);
      assert.deepEqual(
        ids,
        [sent, refused].map(({ headers }) => headers.get('mcpd-correlation-id')),
      );
      assert.ok(!daemon.journalFiles().some((file) => readFileSync(file, 'utf8').includes(value)));
    }
    assert.deepEqual(await daemon.audit('--arg', 'text=never sent'), []);
  });

  it('while calls are made, every answer is whole and every call is found as soon as it was answered', async () => {
    const session = await daemon.session('fx');
    const calling = Array.from({ length: 5 }, async () => {
      for (let count = 0; count < 20; count++) {
        const { headers } = await session.call('echo', { path: `/srv/${count}` });
        if (count % 10 !== 9) continue;
        const [record] = await daemon.audit('--correlation', headers.get('mcpd-correlation-id') ?? '');
        assert.deepEqual(
          [record?.['outcome'], record?.['resources']],
          ['answered', { path: `/srv/${count}` }],
        );
      }
    });
    await Promise.all(calling);
    assert.equal((await daemon.audit('--resource', '/srv/1*', '--limit', '1000')).length, 5 * 11);
    const dir = join(daemon.journalFiles()[0] ?? '', '..');
    assert.ok(existsSync(join(dir, 'index-000001.db')));
    const verified = await daemon.mcpd(['audit', 'verify', '--json']);
    assert.ok(verified.code === 0 || verified.stdout.includes('"head"'), verified.stdout);
  });
});
