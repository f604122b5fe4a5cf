// What was used up stays used up: killing the daemon and starting it again refills no limit and no budget.
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { rule, serving, TestDaemon, textOf, type Rpc, type TestSession } from '../support/daemon.ts';

// By the hour, so that no window moves on while a busy machine takes its time.
const policies = {
  rated: serving('answers', `[limits]\nper_caller = "3/h"\n${rule('allow', ['echo'])}`),
  shared: serving('answers', `[limits]\nper_tool = "2/h"\n${rule('allow', ['echo'])}`),
  ruled: serving('answers', rule('allow', ['echo'], 'rate = "2/h"')),
  spending: serving(
    'answers',
    `[[limit]]\nname = "spend"\ntools = ["echo"]\nbudget = "sum(args.amount) <= 1/h"\n${rule('allow', ['echo'])}`,
  ),
};

const passed = ({ body }: Rpc) => body.result !== undefined && body.result['isError'] !== true;

/** Calls until it is refused, and gives how often it passed. */
async function useUp(session: TestSession, args: object): Promise<number> {
  for (let count = 0; count < 20; count++)
    if (!passed(await session.call('echo', { text: 'x', ...args }))) return count;
  throw new Error('nothing was ever refused');
}

describe('limits outlive a kill', () => {
  it('nothing that was used up can be used again after kill -9', async () => {
    await using daemon = await TestDaemon.start({ servers: policies });
    const otherKey = await daemon.addKey('somebody-else');
    assert.equal(await useUp(await daemon.session('rated'), {}), 3);
    assert.equal(await useUp(await daemon.session('ruled'), {}), 2);
    assert.equal(await useUp(await daemon.session('spending'), { amount: 0.2 }), 5);
    assert.ok(passed(await (await daemon.session('shared')).call('echo', { text: 'one of two' })));

    await daemon.end('SIGKILL');
    await daemon.boot();

    for (const [server, limit] of [
      ['rated', /3\/h per caller/],
      ['ruled', /2\/h/],
      ['spending', /"spend"/],
    ] as const) {
      const reply = await (await daemon.session(server)).call('echo', { text: 'x', amount: 0.2 });
      assert.ok(!passed(reply), server);
      assert.match(textOf(reply), limit);
      const seconds = Number(reply.headers.get('retry-after'));
      // It was used within this test: a whole hour is not over, and it is no more than that.
      assert.ok(seconds > 1800 && seconds <= 3601, `${server}: come back in ${seconds} s`);
    }
    // What is one count for all goes on where it was, for whoever comes.
    assert.equal(await useUp(await daemon.session('shared', { key: otherKey }), {}), 1);
    assert.ok(passed(await (await daemon.session('rated', { key: otherKey })).call('echo', { text: 'x' })));
  });

  it('what is kept is the owner’s alone, and holds no name of a caller or a tool', async () => {
    await using daemon = await TestDaemon.start({ servers: { rated: policies.rated } });
    await useUp(await daemon.session('rated'), {});
    const file = join(daemon.state, 'takes');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.doesNotMatch(readFileSync(file, 'utf8'), /tester|echo|rated/);
  });

  it('a daemon that cannot believe what was kept does not start, and says what to type', async () => {
    await using daemon = await TestDaemon.start({ servers: { rated: policies.rated } });
    await daemon.end('SIGKILL');
    const file = join(daemon.state, 'takes');
    writeFileSync(file, 'not what mcpd wrote\n');
    await assert.rejects(daemon.boot(), /takes is damaged in line 1/);
    assert.match(daemon.output, /mv .*takes/);
    assert.equal(readFileSync(file, 'utf8'), 'not what mcpd wrote\n');
  });
});
