import { usualCare } from '../../src/domain/care.ts';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { Answer, JsonObject } from '../../src/domain/message.ts';
import { metaKeys } from '../../src/protocol/era.ts';
import { accepted, answersAll, asked, Bench, elicit, played, type Step } from '../rounds/bench.ts';
import { modern, type Asking } from '../rounds/support.ts';
import { resultOf, until } from './support.ts';

const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const can: Asking = { capabilities: { elicitation: {}, roots: {} } };
const log = (level: string, data: string): Step => ({
  send: { method: 'notifications/message', params: { level, data } },
});
const listens = (notifications: JsonObject, more: Asking = {}) =>
  modern({ method: 'subscriptions/listen', params: { notifications }, ...more });
const isHeld = (answer: Answer | undefined) => answer?.kind === 'result' && answer.held !== undefined;

/** A call whose child answered while the client was away: what the client had heard before. */
async function answeredLate(bench: Bench, n: string, text = '', how = can): Promise<Answer> {
  const result = { content: [{ type: 'text', text }], n };
  const first = await bench.play([elicit('x'), bench.gate(n), { result }], how).answer;
  assert.ok(first !== undefined && isHeld(first));
  bench.letGo(n);
  await until(() => bench.bridge.supervisors().every(({ inFlight }) => inFlight === 0));
  return first;
}

describe('a modern client in front of a legacy child', () => {
  it('is answered as its era has it, by a child that was told who it is', async () => {
    await using bench = new Bench();
    const { answer } = bench.play([], { client: { name: 'c', version: '3' }, ...can });
    const result = resultOf(await answer);
    assert.deepEqual(
      [result['resultType'], result['_meta']],
      ['complete', { [metaKeys.server]: { name: 'puppet', version: '1' } }],
    );
    const [hello] = bench.raw();
    assert.deepEqual(hello?.['params'], {
      protocolVersion: '2025-11-25',
      capabilities: { elicitation: {}, roots: {} },
      clientInfo: { name: 'c', version: '3' },
    });
    assert.deepEqual(played(await answer).meta, {});
  });

  it('may have what its child asks, in as many rounds as it asks, of one and the same child', async () => {
    await using bench = new Bench();
    const { answer } = bench.play([elicit('first'), { replies: 1 }, elicit('second'), { replies: 2 }], can);
    const first = await answer;
    const second = await bench.resume(first, answersAll(first), can);
    assert.deepEqual(Object.values(asked(second)), [
      { method: 'elicitation/create', params: { message: 'second' } },
    ]);
    const { replies } = played(await bench.resume(second, answersAll(second), can));
    assert.deepEqual(
      replies.map(({ result }) => result),
      [first, second].flatMap((it) => Object.values(answersAll(it))),
    );
    assert.equal(bench.pids().length, 1);
  });

  it('is not told what another caller is asked, and a call that is over is not gone on with', async () => {
    await using bench = new Bench();
    const first = await bench.play([elicit('who?'), { replies: 1 }], can).answer;
    assert.ok(isHeld(first));
    await bench.resume(first, answersAll(first), can);
    await assert.rejects(bench.resume(first, answersAll(first), can), fault('STALE_STATE'));
    for (const guess of ['', 'held-1', '00000000-0000-4000-8000-000000000000'])
      await assert.rejects(bench.forward(modern({ resumes: guess, ...can })), fault('STALE_STATE'));
  });

  it('waits for a child of its own no longer than for an answer, and its calls never mix', async () => {
    await using bench = new Bench();
    const calls = [1, 2, 3, 4, 5, 6].map((n) => bench.play([elicit(`q${n}`), { replies: 1 }], can).answer);
    // A quarter of eight children.
    const [one, two] = await Promise.all(calls.slice(0, 2));
    assert.equal(bench.pids().length, 2);
    let before = [one, two];
    for (let n = 2; n <= 4; n++) {
      const [done] = await Promise.all(before.slice(0, 1).map((it) => bench.resume(it, answersAll(it), can)));
      assert.equal(played(done).replies.length, 1);
      before = [before[1], await calls[n]];
    }
    for (const it of before) await bench.resume(it, answersAll(it), can);
    const last = await calls[5];
    assert.deepEqual(Object.values(asked(last)), [
      { method: 'elicitation/create', params: { message: 'q6' } },
    ]);
    await bench.resume(last, answersAll(last), can);
    assert.equal(bench.pids().length, 2);
  });

  it('is not asked by a child that has answered already, or works on nothing that it may ask in', async () => {
    await using bench = new Bench();
    await bench.play([{ result: { content: [] } }, elicit('too late')], can).answer;
    await until(() => bench.raw().some(({ error }) => error !== undefined));
    const { answer } = bench.play([elicit('nobody there'), { replies: 1 }]);
    assert.deepEqual(
      played(await answer).replies.map(({ error }) => (error as JsonObject)['code']),
      [-32603],
    );
    assert.equal(bench.upcalls.length, 0);
  });

  it('whose child asks ten thousand things gets sixteen of them, and its child a no to the rest', async () => {
    await using bench = new Bench({ spec: { waitingMax: 64 } });
    const steps = Array.from({ length: 2_000 }, (_, n) => elicit(`q${n}`));
    const first = await bench.play([...steps, { replies: 1_985 }], can).answer;
    const keys = Object.keys(asked(first));
    assert.deepEqual([keys.length, bench.upcalls.length], [16, 16]);
    const last = await bench.resume(first, { [keys[0] as string]: accepted('x') }, can);
    // The others are asked again, with what came meanwhile, unless the child was quicker.
    if (isHeld(last)) assert.ok(Object.keys(asked(last)).length <= 16);
    else assert.equal(played(last).replies.length, 1_985);
  });

  it('that cancels is gone from its child, and its place with it, at every stage', async () => {
    await using bench = new Bench({ spec: { childrenMax: 4 } });
    const stages: [Step[], Asking][] = [
      [[{ cancelled: true }], {}],
      [[{ cancelled: true }], can],
      [[{ cancelled: true }], { logLevel: 'info' }],
    ];
    for (const [steps, how] of stages) {
      const { asked: call, answer } = bench.play(steps, how);
      await until(() => bench.raw().at(-1)?.['method'] === 'tools/call');
      call.halt.call('the caller went away');
      await assert.rejects(answer, fault('CANCELLED'));
      await until(() => bench.raw().at(-1)?.['method'] === 'notifications/cancelled');
      assert.equal(
        bench.bridge.supervisors().reduce((sum, it) => sum + it.inFlight + it.waiting, 0),
        0,
      );
    }
    // In the second round, and while it waits for its child.
    const first = await bench.play([elicit('x'), { cancelled: true }], can).answer;
    const line = bench.play([], can);
    line.asked.halt.call('the caller went away');
    await assert.rejects(line.answer, fault('CANCELLED'));
    const again = modern({
      params: { name: 'play', inputResponses: answersAll(first) },
      resumes: first?.kind === 'result' ? first.held : '',
      ...can,
    });
    const second = bench.forward(again);
    second.catch(() => undefined);
    again.halt.call('the caller went away');
    await assert.rejects(second, fault('CANCELLED'));
    await until(() => bench.raw().filter(({ method }) => method === 'notifications/cancelled').length === 4);
    assert.ok(played(await bench.play([], can).answer));
  });

  it('hears of a child that dies, at every stage, and has a new one for its next call', async () => {
    await using bench = new Bench({ spec: { care: { ...usualCare, deathsMax: 100 } } });
    const died = fault('UPSTREAM_DIED');
    await assert.rejects(bench.play([{ exit: 1 }], can).answer, died);
    await assert.rejects(bench.play([{ exit: 1 }]).answer, died);
    // While the client is away.
    const first = await bench.play([elicit('x'), bench.gate('die'), { exit: 1 }], can).answer;
    bench.letGo('die');
    await until(() => bench.bridge.supervisors().every(({ inFlight }) => inFlight === 0));
    await assert.rejects(bench.resume(first, answersAll(first), can), died);
    // In its second round.
    const second = await bench.play([elicit('x'), { replies: 1 }, { exit: 1 }], can).answer;
    await assert.rejects(bench.resume(second, answersAll(second), can), died);
    assert.ok(played(await bench.play([], can).answer));
    assert.ok(played(await bench.play([]).answer));
  });

  it('has the answer that its child gave while it was away', async () => {
    await using bench = new Bench();
    const late = resultOf(await bench.resume(await answeredLate(bench, 'late'), {}, can));
    assert.deepEqual([late['n'], late['resultType']], ['late', 'complete']);
  });

  it('that never comes back leaves nothing behind: neither children nor answers without end', async () => {
    await using bench = new Bench({
      pace: { questionWithinMs: 50 },
      spec: { waitingMax: 300, answerWithinMs: 60_000 },
    });
    const abandoned = Array.from(
      { length: 200 },
      () => bench.play([elicit('x'), { cancelled: true }], can).answer,
    );
    for (const each of abandoned) assert.ok(isHeld(await each));
    assert.ok(bench.pids().length <= 2, `${bench.pids().length} children`);
    assert.ok(played(await bench.play([], can).answer));
  });

  it('that does not come for many answers is told the youngest of them', async () => {
    await using bench = new Bench();
    const firsts: Answer[] = [];
    for (let n = 0; n < 40; n++) firsts.push(await answeredLate(bench, `${n}`));
    for (const lost of [0, 23])
      await assert.rejects(bench.resume(firsts[lost], {}, can), fault('STALE_STATE'));
    for (const kept of [24, 39])
      assert.equal(resultOf(await bench.resume(firsts[kept], {}, can))['n'], `${kept}`);
  });

  it('that does not come for large answers is told no more of them than fit', async () => {
    await using bench = new Bench({ spec: { lineBytesMax: 4 * 1024 * 1024 } });
    const firsts: Answer[] = [];
    for (let n = 0; n < 4; n++) firsts.push(await answeredLate(bench, `${n}`, 'x'.repeat(3_000_000)));
    for (const lost of [0, 1])
      await assert.rejects(bench.resume(firsts[lost], {}, can), fault('STALE_STATE'));
    for (const kept of [2, 3])
      assert.equal(resultOf(await bench.resume(firsts[kept], {}, can))['n'], `${kept}`);
  });

  it('that waits for an end hears it, whatever other ends it never came for', async () => {
    await using bench = new Bench({ spec: { lineBytesMax: 16 * 1024 * 1024 } });
    const busy = () => bench.bridge.supervisors().reduce((sum, { inFlight }) => sum + inFlight, 0);
    const large = (n: string, chars: number): Step => ({
      result: { content: [{ type: 'text', text: 'x'.repeat(chars) }], n },
    });
    const { answer } = bench.play([bench.gate('waiting'), large('waiting', 4_000_000)], can);
    const first = await bench.play([elicit('x'), bench.gate('left'), large('left', 6_000_000)], can).answer;
    assert.ok(isHeld(first));
    bench.letGo('left');
    await until(() => busy() === 1);
    bench.letGo('waiting');
    assert.equal(resultOf(await answer)['n'], 'waiting');
  });

  it('does not make another caller’s answers be forgotten', async () => {
    await using bench = new Bench();
    const bobs = { ...can, caller: 'bob' };
    const bob = await answeredLate(bench, 'bob', '', bobs);
    for (let n = 0; n < 20; n++) await answeredLate(bench, `${n}`);
    assert.equal(resultOf(await bench.resume(bob, {}, bobs))['n'], 'bob');
  });

  it('cannot have more children than there may be, however many clients it pretends to be', async () => {
    await using bench = new Bench({ spec: { childrenMax: 4 } });
    let most = 0;
    for (let n = 0; n < 12; n++) {
      const answer = bench.play([], { client: { name: `c${n}`, version: '1' } }).answer;
      const watch = setInterval(() => (most = Math.max(most, bench.pids().length)), 5);
      assert.ok(played(await answer));
      clearInterval(watch);
    }
    assert.ok(most >= 1 && most <= 4, `${most} children`);
  });

  it('shares no child with another caller, nor with another client of its own', async () => {
    await using bench = new Bench({ spec: { childrenMax: 16 } });
    const pid = async (how: Asking) => played(await bench.play([], how).answer).pid;
    const own = await pid({ client: { name: 'a', version: '1' } });
    assert.equal(await pid({ client: { name: 'a', version: '1' } }), own);
    assert.notEqual(await pid({ client: { name: 'a', version: '2' } }), own);
    assert.notEqual(await pid({ client: { name: 'a', version: '1' }, caller: 'bob' }), own);
    assert.notEqual(await pid({ client: { name: 'a', version: '1' }, capabilities: { roots: {} } }), own);
  });

  it('is served by whichever of its calls comes first, when all places are wanted at once', async () => {
    await using bench = new Bench({ spec: { childrenMax: 2 } });
    for (const caller of ['ann', 'bob']) assert.ok(played(await bench.play([], { caller }).answer));
    // Both children are idle. Three callers at once: whoever has a child keeps it.
    for (let round = 0; round < 10; round++) {
      const outcomes = await Promise.allSettled(
        ['ann', 'bob', 'cid', 'ann', 'bob'].map((caller) => bench.play([], { caller }).answer),
      );
      for (const outcome of outcomes)
        if (outcome.status === 'rejected')
          assert.ok(fault('TOO_MANY')(outcome.reason), String(outcome.reason));
      assert.deepEqual(
        outcomes.slice(0, 2).map(({ status }) => status),
        ['fulfilled', 'fulfilled'],
      );
    }
  });

  it('brings no child back that was stopped for good, wherever it stood at that moment', async () => {
    for (let ticks = 0; ticks < 16; ticks++) {
      await using bench = new Bench({ spec: { childrenMax: 16 } });
      if (ticks % 2 === 0) await bench.play([elicit('x'), { replies: 1 }], can).answer;
      else await bench.play([], can).answer;
      const waiting = [can, {}, can].map((how) => bench.play([], how).answer);
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      await bench.bridge.stop('its configuration changed');
      for (const each of await Promise.allSettled(waiting))
        if (each.status === 'rejected')
          assert.ok(
            each.reason instanceof Fault && /^UPSTREAM_D/.test(each.reason.code),
            String(each.reason),
          );
      assert.deepEqual(bench.pids(), []);
      await assert.rejects(bench.play([], can).answer, fault('UPSTREAM_DOWN'));
      assert.deepEqual(bench.pids(), []);
    }
  });
});

describe('a child that may write several messages at once', () => {
  it('is understood by modern clients, too', async () => {
    await using bench = new Bench({ env: { PUPPET_REVISION: '2025-03-26' } });
    const { answer } = bench.play([
      { raw: '[{"jsonrpc":"2.0","id":"$ID","result":{"content":[],"batched":true}}]' },
      { result: { content: [] } },
    ]);
    assert.equal(resultOf(await answer)['batched'], true);
  });
});

describe('log lines', () => {
  it('are heard by nobody who did not ask for them', async () => {
    await using bench = new Bench();
    for (const how of [{}, can]) {
      const { asked: call, answer } = bench.play([log('emergency', 'x'), { wait: 5 }], how);
      await answer;
      assert.deepEqual(bench.heard(call), []);
    }
    assert.equal(bench.bridge.unheard, 2);
  });

  it('are heard from the level that was asked for, whatever the child thinks of levels', async () => {
    await using bench = new Bench();
    for (const how of [{ logLevel: 'warning' }, { ...can, logLevel: 'warning' }]) {
      const lines = ['debug', 'info', 'warning', 'error', 'ERROR', 'loud'].map((level) => log(level, level));
      const { asked: call, answer } = bench.play(lines, how);
      await answer;
      assert.deepEqual(
        bench.heard(call).map(([, { level }]) => level),
        ['warning', 'error'],
      );
    }
    assert.deepEqual(
      bench
        .raw()
        .filter(({ method }) => method === 'logging/setLevel')
        .map(({ params }) => params),
      [{ level: 'warning' }, { level: 'warning' }],
    );
  });

  it('of one call are not heard by another', async () => {
    await using bench = new Bench({ spec: { childrenMax: 16 } });
    const loud = bench.play([log('error', 'mine'), { wait: 30 }, log('error', 'mine, too')], {
      logLevel: 'info',
    });
    const other = bench.play([{ wait: 60 }], { logLevel: 'info' });
    await Promise.all([loud.answer, other.answer]);
    assert.deepEqual([bench.heard(loud.asked).length, bench.heard(other.asked).length], [2, 0]);
  });

  it('are no news', async () => {
    await using bench = new Bench();
    const stream = listens({ toolsListChanged: true, resourceSubscriptions: ['file:///a'] });
    const ended = bench.forward(stream);
    ended.catch(() => undefined);
    await until(() => bench.heard(stream).length === 1);
    await bench.play([
      log('error', 'x'),
      { send: { method: 'notifications/tools/list_changed' } },
      { wait: 5 },
    ]).answer;
    assert.deepEqual(
      bench.heard(stream).map(([method]) => method),
      ['notifications/subscriptions/acknowledged', 'notifications/tools/list_changed'],
    );
    stream.halt.call('the caller went away');
    await assert.rejects(ended, fault('CANCELLED'));
    await until(() => bench.raw().at(-1)?.['method'] === 'resources/unsubscribe');
  });
});

describe('a modern client in front of a modern child', () => {
  const play = (bench: Bench, rounds: readonly (readonly Step[])[], more: Asking = {}) => {
    const call = modern({
      params: { name: 'play', arguments: { rounds: rounds.map((it) => [...it]) } },
      ...more,
    });
    const answer = bench.forward(call);
    answer.catch(() => undefined);
    return { asked: call, answer };
  };

  it('is never asked in a message of its own, because the era forbids it', async () => {
    await using bench = new Bench({ era: 'modern' });
    const asks = ['elicitation/create', 'sampling/createMessage', 'roots/list', 'custom/x'].map((method) => ({
      ask: { method, params: {} },
    }));
    const { answer } = play(bench, [[...asks, { replies: asks.length }]], can);
    assert.ok(played(await answer).replies.every(({ error }) => error !== undefined));
    assert.equal(bench.upcalls.length, 0);
  });

  it('has the log lines of its own request, and not those on a stream that asked for none', async () => {
    await using bench = new Bench({ era: 'modern' });
    const stream = listens({ toolsListChanged: true }, { id: 'mine' });
    const ended = bench.forward(stream);
    ended.catch(() => undefined);
    await until(() => bench.heard(stream).length === 1);
    const onStream = {
      send: {
        method: 'notifications/message',
        params: { level: 'error', data: 'x', _meta: { [metaKeys.subscription]: '$LISTEN' } },
      },
    };
    const { asked: silent, answer } = play(bench, [[onStream, log('error', 'y'), { wait: 5 }]]);
    await answer;
    assert.deepEqual([bench.heard(silent), bench.heard(stream).length], [[], 1]);
    const { asked: loud, answer: lines } = play(
      bench,
      [[log('info', 'low'), log('error', 'high'), { wait: 5 }]],
      { logLevel: 'error' },
    );
    await lines;
    assert.deepEqual(
      bench.heard(loud).map(([, { data }]) => data),
      ['high'],
    );
    stream.halt.call('the caller went away');
  });

  it('hears on its stream what names it by our id, under its own, and nothing else', async () => {
    await using bench = new Bench({ era: 'modern' });
    const stream = listens({ toolsListChanged: true }, { id: 'mine' });
    const ended = bench.forward(stream);
    ended.catch(() => undefined);
    await until(() => bench.heard(stream).length === 1);
    const on = (id: unknown): Step => ({
      send: {
        method: 'notifications/tools/list_changed',
        params: { _meta: { [metaKeys.subscription]: id } },
      } as JsonObject,
    });
    const forged = ['mine', '1', 0, -1, 1.5, 999, null, ['$LISTEN'], { id: 1 }, '$ID'];
    const { answer } = play(bench, [
      [...forged.map(on), { send: { method: 'notifications/tools/list_changed' } }, on('$LISTEN')],
    ]);
    await answer;
    assert.deepEqual(bench.heard(stream).slice(1), [
      ['notifications/tools/list_changed', { _meta: { [metaKeys.subscription]: 'mine' } }],
    ]);
    stream.halt.call('the caller went away');
    await assert.rejects(ended, fault('CANCELLED'));
    await until(() => bench.raw().at(-1)?.['method'] === 'notifications/cancelled');
  });

  it('whose child ends its stream is told so under its own id', async () => {
    await using bench = new Bench({ era: 'modern' });
    const stream = listens({ toolsListChanged: true }, { id: 'mine' });
    const ended = bench.forward(stream);
    await until(() => bench.heard(stream).length === 1);
    await play(bench, [
      [
        {
          raw: '{"jsonrpc":"2.0","id":"$LISTEN","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"forged"}}}',
        },
      ],
    ]).answer;
    assert.deepEqual(resultOf(await ended), {
      resultType: 'complete',
      _meta: { [metaKeys.subscription]: 'mine' },
    });
  });

  it('that cancels is gone from its child, whether it calls or listens', async () => {
    await using bench = new Bench({ era: 'modern' });
    const { asked: call, answer } = play(bench, [[{ cancelled: true }]]);
    await until(() => bench.raw().at(-1)?.['method'] === 'tools/call');
    call.halt.call('the caller went away');
    await assert.rejects(answer, fault('CANCELLED'));
    await until(() => bench.raw().at(-1)?.['method'] === 'notifications/cancelled');
    assert.deepEqual(
      bench.bridge.supervisors().map(({ inFlight, waiting }) => inFlight + waiting),
      [0],
    );
  });

  it('hears of a child that dies, in a call and on a stream, and has a new one for its next call', async () => {
    await using bench = new Bench({ era: 'modern' });
    const stream = listens({ toolsListChanged: true });
    const ended = bench.forward(stream);
    ended.catch(() => undefined);
    await until(() => bench.heard(stream).length === 1);
    await assert.rejects(play(bench, [[{ exit: 1 }]]).answer, fault('UPSTREAM_DIED'));
    await assert.rejects(ended, fault('UPSTREAM_DIED'));
    assert.ok(played(await play(bench, [[]]).answer));
  });

  it('is not served by a child that lies about its versions', async () => {
    for (const lie of ['[]', '"2026-07-28"', '["1900-01-01"]', '{"0":"2026-07-28"}', 'null']) {
      await using bench = new Bench({
        era: 'modern',
        env: { PUPPET_VERSIONS: lie },
        pace: { readyWithinMs: 2_000 },
        spec: { startWithinMs: 2_000, care: { ...usualCare, deathsMax: 1 } },
      });
      await assert.rejects(play(bench, [[]]).answer, fault('UPSTREAM_DOWN'), lie);
      assert.equal(
        bench.raw().some(({ method }) => method === 'tools/call'),
        false,
        lie,
      );
    }
  });

  it('shares its child with other callers only where the owner said so', async () => {
    for (const sharing of ['session', 'principal', 'all'] as const) {
      await using bench = new Bench({ era: 'modern', spec: { sharing } });
      const pids = await Promise.all(
        ['ann', 'bob'].map(async (caller) => played(await play(bench, [[]], { caller }).answer).pid),
      );
      assert.equal(new Set(pids).size, sharing === 'all' ? 1 : 2, sharing);
    }
  });

  it('is given the answer to its own call by equal ids, and progress under its own token', async () => {
    await using bench = new Bench({
      era: 'modern',
      spec: { sharing: 'all', concurrency: 64, waitingMax: 64 },
    });
    const progress: Step = {
      send: { method: 'notifications/progress', params: { progressToken: '$TOKEN', progress: 1 } },
    };
    const calls = Array.from({ length: 30 }, (_, n) =>
      play(bench, [[progress, { wait: n % 7 }, { result: { resultType: 'complete', content: [], n } }]], {
        id: 1,
        caller: `c${n % 3}`,
        meta: { progressToken: 'same' },
      }),
    );
    for (const [n, { asked: call, answer }] of calls.entries()) {
      assert.equal(resultOf(await answer)['n'], n);
      assert.deepEqual(
        bench.heard(call).map(([, { progressToken }]) => progressToken),
        ['same'],
      );
    }
  });
});

describe('a notification of a modern client', () => {
  it('is taken, and reaches no child, because there is nothing that it could be about', async () => {
    await using bench = new Bench({ era: 'modern' });
    const { call, pass } = modern({ method: 'notifications/cancelled', params: { requestId: 1 } });
    Object.assign(call, {
      message: { kind: 'notice', method: 'notifications/cancelled', params: undefined },
    });
    assert.equal(await bench.bridge.forward(pass), undefined);
    assert.deepEqual([bench.raw(), bench.pids()], [[], []]);
  });

  it('and a task of a legacy child are two things that cannot meet', async () => {
    await using bench = new Bench();
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update'])
      await assert.rejects(bench.forward(modern({ method, params: { taskId: 't' } })), fault('CANNOT_CROSS'));
    assert.deepEqual(bench.raw(), []);
  });
});
