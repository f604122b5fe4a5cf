// A tool that fails again and again is left alone for a while; what is idempotent is tried again, and nothing else is.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rule, TestDaemon, textOf } from '../support/daemon.ts';

/** The server answers so many calls, then dies in the middle of the next; all callers share it. */
const dying = (answers: number, tool: string): string =>
  `command = "$NODE"
args = ["$FIXTURES/crashes-after.ts"]
sharing = "all"
owner = "tests"
[env]
CRASH_AFTER = "${answers}"
[tools.work]
risk = "write"
effect = "dies now and then"
${tool}
${rule('allow', ['work'])}`;

describe('limits spare a failing tool', () => {
  it('after so many failures in a row it rests, and nothing goes out to it', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: dying(0, 'breaker = { failures = 2, within = "1h", rest = "1h" }') },
    });
    for (let count = 0; count < 2; count++)
      assert.doesNotMatch(textOf(await (await daemon.session('fx')).call('work')), /rests/);
    const before = (await daemon.status('fx')).restarts;
    const reply = await (await daemon.session('fx')).call('work');
    assert.match(textOf(reply), /the tool rests after 2 failures in a row/);
    assert.ok(Number(reply.headers.get('retry-after')) > 1800);
    assert.equal((await daemon.status('fx')).restarts, before);
  });

  it('a call of an idempotent tool that failed on the way is made again, and each try is on record', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: dying(1, 'idempotent = true\nretry = { times = 3, first = "100ms", most = "1s" }') },
    });
    for (let count = 0; count < 2; count++) {
      const reply = await (await daemon.session('fx')).call('work');
      assert.ok(reply.body.result !== undefined, textOf(reply));
    }
    assert.ok((await daemon.status('fx')).restarts >= 1, 'the server never died: nothing was tried again');
  });

  it('a call of any other tool is never made again', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: dying(1, '') } });
    assert.ok((await (await daemon.session('fx')).call('work')).body.result !== undefined);
    const reply = await (await daemon.session('fx')).call('work');
    assert.equal(reply.body.result, undefined, textOf(reply));
  });
});
