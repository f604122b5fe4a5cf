// Limits count calls by the name of the key. Who has used them up is told when to come back, in the header and in words.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { rawEnv, rule, serving, TestDaemon, textOf, type Rpc, type TestSession } from '../support/daemon.ts';

// By the hour, so that no window moves on while a busy machine takes its time.
const policies = {
  'per-caller': serving(
    'answers',
    `${rawEnv}[limits]\nper_caller = "3/h"\n${rule('allow', ['echo', 'read_file', 'list_dir'])}`,
  ),
  'per-tool': serving(
    'answers',
    `${rawEnv}[limits]\nper_caller_and_tool = "2/h"\n${rule('allow', ['echo', 'list_dir'])}`,
  ),
  'for-all': serving(
    'answers',
    `${rawEnv}[limits]\nper_tool = "2/h"\n${rule('allow', ['echo', 'list_dir'])}`,
  ),
  spending: serving(
    'answers',
    `${rawEnv}[[limit]]\nname = "spend"\ntools = ["echo"]\nbudget = "sum(args.amount) <= 5/h"\n${rule('allow', ['echo'])}`,
  ),
  shadow: serving(
    'answers',
    `mode = "observe"\n${rawEnv}[limits]\nper_caller = "1/h"\n${rule('allow', ['echo'])}`,
  ),
  'per-rule': serving(
    'answers',
    `${rawEnv}${rule('allow', ['echo', 'read_file'], 'rate = "2/h"')}${rule('allow', ['list_dir'])}`,
  ),
  gated: serving(
    'answers',
    `${rawEnv}[limits]\nper_tool = "1/h"\n${rule('confirm', ['write_file'], 'answer_within = "5m"')}`,
  ),
  soon: serving('answers', `${rawEnv}${rule('allow', ['echo'], 'rate = "1/s"')}`),
  others: serving(
    'answers',
    `${rawEnv}[[rule]]\nname = "all"\nverdict = "allow"\nresources = ["file:///ok.txt"]\nprompts = ["hello"]\nrate = "1/h"\n`,
  ),
};

describe('limits say when to come back', () => {
  let daemon: TestDaemon;
  let otherKey: string;
  before(async () => {
    daemon = await TestDaemon.start({ servers: policies });
    otherKey = await daemon.addKey('somebody-else');
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const passes = async (session: TestSession, tool: string) => {
    const mark = randomUUID();
    const reply = await session.call(tool, { text: mark });
    assert.notEqual(reply.body.result?.['isError'], true, textOf(reply));
    assert.ok(reply.body.result !== undefined, textOf(reply));
    assert.ok(daemon.raw().includes(mark));
  };
  /** Refused, with a time to come back that all three places agree on; and it did not go out. */
  const exhausted = async (session: TestSession, tool: string, limit: RegExp): Promise<Rpc> => {
    const mark = randomUUID();
    const reply = await session.call(tool, { text: mark });
    assert.equal(reply.status, 200);
    assert.equal(reply.body.result?.['isError'], true, textOf(reply));
    const seconds = /Try again in (\d+) s/.exec(textOf(reply))?.[1];
    assert.match(textOf(reply), limit);
    assert.equal(reply.headers.get('retry-after'), seconds);
    assert.ok(Number(seconds) >= 1 && Number(seconds) <= 3600);
    const meta = reply.body.result?.['_meta'] as Record<string, number>;
    assert.equal(Math.ceil((meta['mcpd/retryInMs'] ?? 0) / 1000), Number(seconds));
    assert.ok(!daemon.raw().includes(mark), 'it went out');
    return reply;
  };

  it('a caller may make so many calls to a server, whatever the tools', async () => {
    const session = await daemon.session('per-caller');
    for (const tool of ['echo', 'read_file', 'list_dir']) await passes(session, tool);
    for (const tool of ['echo', 'read_file', 'list_dir']) await exhausted(session, tool, /3\/h per caller/);
  });

  it('a new session does not refill it, and neither does another caller use it up', async () => {
    await exhausted(await daemon.session('per-caller'), 'echo', /3\/h/);
    await passes(await daemon.session('per-caller', { key: otherKey }), 'echo');
    await exhausted(await daemon.session('per-caller'), 'echo', /3\/h/);
  });

  it('the protocol itself stays free: a caller without calls left can still say hello and ping', async () => {
    const session = await daemon.session('per-caller');
    assert.deepEqual((await session.request('ping')).body.result, {});
  });

  it('a caller may make so many calls to one tool; other tools go on', async () => {
    const session = await daemon.session('per-tool');
    await passes(session, 'echo');
    await passes(await daemon.session('per-tool'), 'echo');
    await exhausted(session, 'echo', /2\/h per caller and tool/);
    await exhausted(await daemon.session('per-tool'), 'echo', /2\/h/);
    await passes(session, 'list_dir');
    await passes(await daemon.session('per-tool', { key: otherKey }), 'echo');
  });

  it('all callers together may make so many calls to one tool', async () => {
    await passes(await daemon.session('for-all'), 'echo');
    const other = await daemon.session('for-all', { key: otherKey });
    await passes(other, 'echo');
    await exhausted(other, 'echo', /2\/h per tool/);
    await exhausted(await daemon.session('for-all'), 'echo', /2\/h per tool/);
    await passes(other, 'list_dir');
  });

  it('calls may sum up to so much; what fits no budget is told that waiting does not help', async () => {
    const session = await daemon.session('spending');
    const spend = (amount: unknown) => session.call('echo', { text: 'x', amount });
    assert.equal(textOf(await spend(3)), 'x');
    const over = await spend(3);
    assert.match(textOf(over), /"spend": sum\(args\.amount\) <= 5\/h.*Try again in \d+ s/);
    assert.ok(Number(over.headers.get('retry-after')) > 1800);
    assert.equal(textOf(await spend(2)), 'x');
    for (const [amount, why] of [
      [undefined, 'missing'],
      ['1', 'no number'],
      [-1, 'negative'],
      [6, 'more than all of it'],
    ] as const) {
      const unfit = await spend(amount);
      assert.match(textOf(unfit), new RegExp(`"amount" is ${why}.*Waiting does not help`));
      assert.equal(unfit.headers.get('retry-after'), null);
    }
  });

  it('where limits are only observed nothing is refused', async () => {
    const session = await daemon.session('shadow');
    for (let i = 0; i < 3; i++) await passes(session, 'echo');
  });

  it('a rule may have a limit of its own, for each of its targets', async () => {
    const session = await daemon.session('per-rule');
    for (const tool of ['echo', 'read_file']) {
      await passes(session, tool);
      await passes(session, tool);
      await exhausted(session, tool, /2\/h/);
    }
    for (let i = 0; i < 5; i++) await passes(session, 'list_dir');
  });

  it('resources and prompts have limits too', async () => {
    const session = await daemon.session('others');
    for (const [method, params] of [
      ['resources/read', { uri: 'file:///ok.txt' }],
      ['prompts/get', { name: 'hello' }],
    ] as const) {
      assert.ok((await session.request(method, params)).body.result !== undefined);
      const again = await session.request(method, params);
      assert.match(again.body.error?.message ?? '', /1\/h.*Try again in \d+ s/);
      assert.ok(Number(again.headers.get('retry-after')) >= 1);
    }
  });

  it('a flood of calls does not become a flood of questions: the limit comes before the question', async () => {
    const session = await daemon.session('gated');
    const held = session.call('write_file', { text: 'first' });
    for (let tries = 0; (await daemon.approvals()).length === 0; tries++) {
      assert.ok(tries < 100);
      await sleep(50);
    }
    for (let i = 0; i < 10; i++) await exhausted(session, 'write_file', /1\/h/);
    const waiting = await daemon.approvals();
    assert.equal(waiting.length, 1);
    await daemon.ctl('deny', waiting[0]?.id ?? '');
    await held;
  });

  it('who comes back at the time that was told is let in', async () => {
    const session = await daemon.session('soon');
    let refusal: Rpc | undefined;
    for (let tries = 0; refusal === undefined && tries < 200; tries++) {
      const reply = await session.call('echo', { text: 'x' });
      if (reply.body.result?.['isError'] === true) refusal = reply;
    }
    assert.ok(refusal !== undefined, 'nothing was ever refused');
    await sleep(1000 * Number(refusal.headers.get('retry-after')));
    await passes(session, 'echo');
  });

  it('a refusal is on record with its limit', async () => {
    const reply = await exhausted(await daemon.session('per-caller'), 'echo', /3\/h/);
    const [record] = await daemon.audit('--correlation', reply.headers.get('mcpd-correlation-id') ?? '');
    assert.equal(record?.['outcome'], 'refused');
    assert.equal(record['error'], 'rate-limited');
    assert.match(String(record['limit']), /3\/h/);
    assert.equal(
      (await daemon.audit('--outcome', 'rate-limited', '--tool', 'per-caller/echo')).at(-1)?.['id'],
      record['id'],
    );
  });
});
