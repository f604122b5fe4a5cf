// So many calls at once, so many more in line, and the next one is told to come back.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { rawEnv, rule, serving, TestDaemon, textOf } from '../support/daemon.ts';

const policies = {
  narrow: serving(
    'answers',
    `${rawEnv}[limits]\nconcurrent = 1\nwaiting = 1\n${rule('allow', ['echo'])}${rule('confirm', ['write_file'], 'answer_within = "5m"')}`,
  ),
};

async function question(daemon: TestDaemon): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const id = (await daemon.approvals())[0]?.id;
    if (id !== undefined) return id;
    await sleep(50);
  }
  throw new Error('nobody was asked');
}

describe('limits let callers stand in line', () => {
  it('a call waits for a place, the one too many is refused, and the place goes to who waited', async () => {
    await using daemon = await TestDaemon.start({ servers: policies });
    const session = await daemon.session('narrow');
    // A call that waits for a yes is under way: it holds the only place for as long as the test likes.
    const holder = session.call('write_file', { text: 'x' });
    const id = await question(daemon);

    const marks = [randomUUID(), randomUUID()];
    const both = marks.map((text) => session.call('echo', { text }).then((reply) => ({ text, reply })));
    const refused = await Promise.race(both);
    assert.match(textOf(refused.reply), /1 at once per server.*Try again in 1 s/);
    assert.equal(refused.reply.headers.get('retry-after'), '1');
    for (const mark of marks) assert.ok(!daemon.raw().includes(mark), 'it went out');

    await daemon.ctl('deny', id);
    await holder;
    const [one, other] = await Promise.all(both);
    const served = one?.text === refused.text ? other : one;
    assert.equal(served && textOf(served.reply), served?.text);
    assert.ok(!daemon.raw().includes(refused.text));

    // The place is free again.
    assert.equal(await session.text('echo', { text: 'again' }), 'again');
  });

  it('who goes away while it waits leaves its place in the line to the next', async () => {
    await using daemon = await TestDaemon.start({ servers: policies });
    const session = await daemon.session('narrow');
    const holder = session.call('write_file', { text: 'x' });
    const id = await question(daemon);
    const ids = ['first', 'second'];
    const both = ids.map((id) => {
      const params = { name: 'echo', arguments: { text: `from ${id}` } };
      return session
        .raw({ jsonrpc: '2.0', id, method: 'tools/call', params })
        .then((reply) => ({ id, reply }));
    });
    // Whichever came second found the line full; the other one stands in it.
    const refused = await Promise.race(both);
    assert.match(textOf(refused.reply), /1 at once/);
    const gone = ids.find((id) => id !== refused.id);
    await session.raw({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: gone } });
    const next = session.text('echo', { text: 'next' });
    await daemon.ctl('deny', id);
    await holder;
    assert.equal(await next, 'next');
    await Promise.all(both);
    assert.ok(!daemon.raw().includes(`from ${gone}`));
  });
});
