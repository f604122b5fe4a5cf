import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { realClock, type Clock } from '../../src/domain/clock.ts';
import type { Answer, JsonObject, Notice, Request } from '../../src/domain/message.ts';
import { Connection } from '../../src/fleet/connection.ts';
import { Tally } from '../../src/fleet/tally.ts';
import { encode } from '../../src/protocol/codec.ts';
import { metaKeys } from '../../src/protocol/era.ts';
import { json, passOf, request, resultOf, toolCall } from './support.ts';

type Bench = {
  readonly connection: Connection;
  /** What went to the child. */
  readonly written: JsonObject[];
  readonly notices: { notice: Notice; callId: string | undefined }[];
  readonly questions: { request: Request; settle: (answer: Answer) => void }[];
  readonly tally: Tally;
  readonly verdicts: string[];
  readonly pipe: { full: boolean };
  readonly say: (message: object) => void;
  readonly clock: { now: number } & Clock;
};

function bench(limits: { concurrency?: number; waitingMax?: number } = {}): Bench {
  const written: JsonObject[] = [];
  const notices: Bench['notices'] = [];
  const questions: Bench['questions'] = [];
  const verdicts: string[] = [];
  const pipe = { full: false };
  const clock = { now: 0, wallMs: () => 0, steadyMs: () => clock.now };
  const tally = new Tally({ clock, say: () => undefined, faulty: (why) => verdicts.push(why) });
  let asked = 0;
  const connection = new Connection({
    limits: { concurrency: 4, waitingMax: 4, ...limits },
    clock,
    bounds: { bytesMax: 100_000, depthMax: 20 },
    answerWithinMsMax: 3_600_000,
    questionWithinMs: 600_000,
    nextQuestionId: () => `s-${++asked}`,
    write: (text) => {
      for (const line of text.split('\n').slice(0, -1)) written.push(JSON.parse(line) as JsonObject);
      return !pipe.full;
    },
    tally,
    hearing: {
      question: (message, settle) => questions.push({ request: message, settle }),
      notice: (message, about) => notices.push({ notice: message, callId: about?.id }),
    },
  });
  const say = (message: object) =>
    connection.receive(Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message })));
  return { connection, written, notices, questions, tally, verdicts, pipe, say, clock };
}

/** Lets the pending write go out. */
const turn = () => new Promise((resolve) => setImmediate(resolve));
const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const echo = (id: string | number) => request('tools/call', { name: 'echo' }, id);

describe('ids', () => {
  it('two callers with the same id get their own answers', async () => {
    const { connection, written, say } = bench();
    const one = connection.ask(passOf(echo(5), 'A').pass, 1000);
    const two = connection.ask(passOf(echo(5), 'B').pass, 1000);
    await turn();
    assert.deepEqual(
      written.map(({ id }) => id),
      [1, 2],
    );
    say({ id: 2, result: { for: 'B' } });
    say({ id: 1, result: { for: 'A' } });
    assert.deepEqual([resultOf(await one), resultOf(await two)], [{ for: 'A' }, { for: 'B' }]);
  });

  it('a child ends a subscription by cancelling it, and its client hears of that under its own id; a call it cannot end', async () => {
    const { connection, say, tally } = bench();
    const ends: string[] = [];
    const listen = () =>
      connection.listen(
        encode({ notifications: {} }),
        () => undefined,
        (how) => ends.push(how),
      );
    listen();
    const stream = new Promise<Answer>((resolve, reject) => {
      const { pass } = passOf(request('subscriptions/listen', { notifications: {} }, 'seven'));
      connection.send(connection.order(pass, Infinity, resolve, reject, { placed: false }));
    });
    const call = connection.ask(passOf(echo(1)).pass, 1000);
    await turn();
    for (const requestId of [1, 2, 3, '1', 4])
      say({ method: 'notifications/cancelled', params: { requestId } });
    assert.deepEqual(ends, ['over']);
    assert.deepEqual(resultOf(await stream), {
      resultType: 'complete',
      _meta: { [metaKeys.subscription]: 'seven' },
    });
    assert.equal(tally.dropped, 3);
    say({ id: 3, result: { done: true } });
    assert.deepEqual(resultOf(await call), { done: true });
    listen();
    await turn();
    say({ id: 4, error: { code: -32601, message: 'Method not found' } });
    assert.deepEqual(ends, ['over', 'refused']);
  });

  it('an answer counts once, and only under the very id that was sent', async () => {
    const { connection, tally, say } = bench();
    const one = connection.ask(passOf(echo(1)).pass, 1000);
    await turn();
    say({ id: '1', result: { wrong: true } });
    say({ id: 99, result: { wrong: true } });
    say({ id: 1, result: { right: true } });
    say({ id: 1, result: { second: true } });
    assert.deepEqual(resultOf(await one), { right: true });
    assert.equal(tally.dropped, 3);
  });

  it('ten thousand interleaved calls under one id all find their callers', async () => {
    const { connection, written, say } = bench({ concurrency: 10_000, waitingMax: 10_000 });
    const calls = Array.from({ length: 10_000 }, (_, i) =>
      connection.ask(passOf(request('tools/call', { i }, 1), `s${i % 7}`).pass, 1000),
    );
    await turn();
    for (const { id, params } of [...written].reverse()) say({ id, result: params });
    const answers = await Promise.all(calls);
    answers.forEach((answer, i) => assert.deepEqual(resultOf(answer), { i }));
  });
});

describe('places and the line', () => {
  it('one place means one call at a time, in order', async () => {
    const { connection, written, say } = bench({ concurrency: 1 });
    const calls = [1, 2, 3].map((id) => connection.ask(passOf(echo(id)).pass, 1000));
    for (let id = 1; id <= 3; id++) {
      await turn();
      assert.equal(written.length, id);
      say({ id, result: {} });
    }
    await Promise.all(calls);
  });

  it('a line that is full turns the next one away', async () => {
    const { connection } = bench({ concurrency: 1, waitingMax: 2 });
    const calls = [1, 2, 3].map((id) => connection.ask(passOf(echo(id)).pass, 1000).catch(() => undefined));
    assert.deepEqual([connection.inFlight, connection.waiting], [1, 2]);
    await assert.rejects(connection.ask(passOf(echo(4)).pass, 1000), fault('UPSTREAM_BUSY'));
    connection.end(new Fault('UPSTREAM_DIED'));
    await Promise.all(calls);
  });

  it('a switch thrown while a call waits in the line keeps it from the child', async () => {
    const { connection, written, say } = bench({ concurrency: 1 });
    let stands = true;
    const first = connection.ask(passOf(echo(1)).pass, 1000);
    const second = connection.ask(passOf(echo(2), 'A', () => stands).pass, 1000);
    const third = connection.ask(passOf(echo(3)).pass, 1000);
    await turn();
    stands = false;
    say({ id: 1, result: {} });
    await first;
    await assert.rejects(second, fault('ORDERS_CHANGED'));
    await turn();
    assert.equal(written.length, 2);
    say({ id: 2, result: {} });
    await third;
  });

  it('a switch thrown in the same turn as the call keeps it from the child', async () => {
    const { connection, written } = bench();
    let stands = true;
    const call = connection.ask(passOf(echo(1), 'A', () => stands).pass, 1000);
    stands = false;
    await assert.rejects(call, fault('ORDERS_CHANGED'));
    assert.deepEqual(written, []);
  });

  it('what many callers send in one turn is one write', async () => {
    const { connection, written } = bench();
    for (let id = 1; id <= 4; id++) void connection.ask(passOf(echo(id)).pass, 1000).catch(() => undefined);
    connection.tell('notifications/initialized');
    assert.equal(written.length, 0);
    await turn();
    assert.equal(written.length, 5);
    connection.end(new Fault('UPSTREAM_DIED'));
  });
});

describe('a child that does not read', () => {
  it('gets nothing more until it does, and its callers hear that it is busy', async () => {
    const { connection, written, pipe } = bench({ concurrency: 100, waitingMax: 2 });
    pipe.full = true;
    const calls = [connection.ask(passOf(echo(1)).pass, 1000)];
    await turn();
    calls.push(...[2, 3].map((id) => connection.ask(passOf(echo(id)).pass, 1000)));
    await assert.rejects(connection.ask(passOf(echo(4)).pass, 1000), fault('UPSTREAM_BUSY'));
    await turn();
    assert.equal(written.length, 1);
    pipe.full = false;
    connection.drained();
    await turn();
    assert.equal(written.length, 3);
    connection.end(new Fault('UPSTREAM_DIED'));
    await Promise.allSettled(calls);
  });

  it('makes us hold at most 8 MiB', async () => {
    const { connection, pipe } = bench({ concurrency: 1, waitingMax: 1000 });
    pipe.full = true;
    const big = () =>
      connection.ask(passOf(request('tools/call', { text: 'x'.repeat(1024 * 1024) })).pass, 1000);
    const calls = [big()];
    await turn();
    for (let i = 0; i < 20; i++) calls.push(big());
    const ended = Promise.allSettled(calls);
    connection.end(new Fault('UPSTREAM_DIED'));
    const reasons = (await ended).map((it) =>
      it.status === 'rejected' ? (it.reason as Fault).code : 'fulfilled',
    );
    assert.equal(reasons.filter((code) => code === 'UPSTREAM_DIED').length, 1 + 7);
    assert.equal(reasons.filter((code) => code === 'UPSTREAM_BUSY').length, 13);
  });
});

describe('ends of a call', () => {
  it('a cancelled call is taken back from the child, and its late answer goes nowhere', async () => {
    const { connection, written, tally, say } = bench({ concurrency: 1 });
    const { pass, call } = passOf(echo('mine'));
    const cancelled = connection.ask(pass, 1000);
    const next = connection.ask(passOf(echo(2)).pass, 1000);
    await turn();
    call.halt.call('cancelled by the caller');
    await assert.rejects(cancelled, fault('CANCELLED'));
    await turn();
    assert.deepEqual(written[1], {
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 1, reason: 'cancelled by the caller' },
    });
    say({ id: 1, result: { late: true } });
    say({ id: 2, result: { next: true } });
    assert.deepEqual(resultOf(await next), { next: true });
    assert.equal(tally.dropped, 1);
  });

  it('a call that is cancelled in the line never reaches the child', async () => {
    const { connection, written } = bench({ concurrency: 1 });
    void connection.ask(passOf(echo(1)).pass, 1000).catch(() => undefined);
    const { pass, call } = passOf(echo(2));
    const waiting = connection.ask(pass, 1000);
    call.halt.call('switched off by the operator');
    await assert.rejects(waiting, fault('CANCELLED'));
    await turn();
    assert.equal(written.length, 1);
    connection.end(new Fault('UPSTREAM_DIED'));
  });

  it('a call that was halted before it came is not sent', async () => {
    const { connection, written } = bench();
    const { pass, call } = passOf(echo(1));
    call.halt.call('session ended');
    await assert.rejects(connection.ask(pass, 1000), fault('CANCELLED'));
    await turn();
    assert.deepEqual(written, []);
    assert.equal(connection.inFlight, 0);
  });

  it('initialize is never cancelled on the wire', async () => {
    const { connection, written } = bench();
    const { pass, call } = passOf(request('initialize', {}));
    const opening = connection.ask(pass, 1000);
    await turn();
    call.halt.call('cancelled by the caller');
    await assert.rejects(opening, fault('CANCELLED'));
    await turn();
    assert.equal(written.length, 1);
  });

  it('a call that takes too long fails, is taken back, and gives up its place', async () => {
    const { connection, written, clock } = bench({ concurrency: 1 });
    const slow = connection.ask(passOf(echo(1)).pass, 20);
    const inLine = connection.ask(passOf(echo(2)).pass, 20);
    await turn();
    clock.now = 1000;
    await assert.rejects(slow, fault('UPSTREAM_TIMEOUT'));
    await assert.rejects(inLine, fault('UPSTREAM_TIMEOUT'));
    await turn();
    assert.deepEqual(
      written.map(({ method }) => method),
      ['tools/call', 'notifications/cancelled'],
    );
    assert.deepEqual([connection.inFlight, connection.waiting], [0, 0]);
  });

  it('when the child dies everything open fails at once, and nothing new is taken', async () => {
    const { connection } = bench({ concurrency: 1 });
    const calls = [1, 2].map((id) => connection.ask(passOf(echo(id)).pass, 1000));
    await turn();
    connection.end(new Fault('UPSTREAM_DIED'));
    for (const call of calls) await assert.rejects(call, fault('UPSTREAM_DIED'));
    await assert.rejects(connection.ask(passOf(echo(3)).pass, 1000), fault('UPSTREAM_DIED'));
    assert.throws(() => connection.tell('notifications/initialized'), fault('UPSTREAM_DIED'));
  });

  it('a child that is stopping may still answer what it was sent, and gets nothing new', async () => {
    const { connection, say } = bench({ concurrency: 1 });
    const sent = connection.ask(passOf(echo(1)).pass, 1000);
    const waiting = connection.ask(passOf(echo(2)).pass, 1000);
    await turn();
    connection.close(new Fault('UPSTREAM_DOWN'));
    await assert.rejects(waiting, fault('UPSTREAM_DOWN'));
    say({ id: 1, result: { done: true } });
    assert.deepEqual(resultOf(await sent), { done: true });
  });

  it('a message without an id fails the only open request, and none of two', async () => {
    const { connection, say } = bench();
    const one = connection.ask(passOf(echo(1)).pass, 1000);
    await turn();
    say({ id: null, error: { code: -32700, message: 'Parse error' } });
    await assert.rejects(one, fault('UPSTREAM_GARBLED'));
    const two = [2, 3].map((id) => connection.ask(passOf(echo(id)).pass, 1000));
    await turn();
    say({ error: { code: -32700, message: 'Parse error' } });
    say({ id: 2, result: {} });
    say({ id: 3, result: {} });
    await Promise.all(two);
  });

  it('a message without an id fails the only request, whatever streams are open, and never a stream', async () => {
    const { connection, say, written } = bench();
    let ended = 0;
    connection.listen(
      encode({ notifications: {} }),
      () => undefined,
      () => ended++,
    );
    await turn();
    say({ error: { code: -32700, message: 'Parse error' } });
    const one = connection.ask(passOf(echo(1)).pass, 1000);
    await turn();
    assert.equal(written.length, 2);
    say({ error: { code: -32700, message: 'Parse error' } });
    await assert.rejects(one, fault('UPSTREAM_GARBLED'));
    assert.equal(ended, 0);
  });

  it('a line that was too long fails the request it names', async () => {
    const { connection, say } = bench();
    const [one, two] = [1, 2].map((id) => connection.ask(passOf(echo(id)).pass, 1000));
    await turn();
    connection.receiveOverlong(
      Buffer.from('{"result":{"text":"xxx'),
      Buffer.from('xxx"},"jsonrpc":"2.0","id":2}'),
    );
    await assert.rejects(two as Promise<Answer>, fault('UPSTREAM_GARBLED'));
    say({ id: 1, result: {} });
    await one;
  });
});

describe('progress', () => {
  it('the child sees our token, the caller its own, and a strange token goes nowhere', async () => {
    const { connection, written, notices, tally, say } = bench();
    const { pass, call } = passOf(toolCall('x', {}, { progressToken: 'tok', other: 1 }));
    const one = connection.ask(pass, 1000);
    const plain = connection.ask(passOf(toolCall('y')).pass, 1000);
    await turn();
    assert.deepEqual((written[0]?.['params'] as JsonObject)['_meta'], { progressToken: 1, other: 1 });
    const progress = (progressToken: unknown) =>
      say({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
    progress(1);
    progress(2);
    progress('tok');
    progress('1');
    progress(77);
    say({ id: 1, result: {} });
    say({ id: 2, result: {} });
    await Promise.all([one, plain]);
    progress(1);
    assert.deepEqual(notices, [
      {
        notice: {
          kind: 'notice',
          method: 'notifications/progress',
          params: '{"progressToken":"tok","progress":1}',
        },
        callId: call.id,
      },
    ]);
    assert.equal(tally.dropped, 5);
  });

  it('of a call that became a task goes on after its answer, and of one that did not, ends with it', async () => {
    const { connection, notices, say } = bench();
    const wanted = (task: object) =>
      passOf(request('tools/call', { name: 'x', ...task, _meta: { progressToken: 'tok' } }));
    const began = wanted({ task: { ttl: 1 } });
    const answers = [began, wanted({ task: { ttl: 1 } }), wanted({})].map(({ pass }) =>
      connection.ask(pass, 1000),
    );
    await turn();
    say({ id: 1, result: { task: { taskId: 't1', status: 'working' } } });
    say({ id: 2, result: { content: [] } });
    say({ id: 3, result: { task: { taskId: 't3' } } });
    await Promise.all(answers);
    for (const progressToken of [1, 2, 3])
      say({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
    assert.deepEqual(
      notices.map(({ callId }) => callId),
      [began.call.id],
    );
  });

  it('of one call, however much, does not cost the others their child', async () => {
    const { connection, notices, tally, say } = bench();
    const { pass } = passOf(toolCall('x', {}, { progressToken: 'tok' }));
    const one = connection.ask(pass, 1000);
    await turn();
    for (let step = 0; step < 21_000; step++)
      say({ method: 'notifications/progress', params: { progressToken: 1, progress: step } });
    say({ id: 1, result: {} });
    await one;
    assert.equal(notices.length, 20_000);
    assert.equal(tally.dropped, 1_000);
  });
});

describe('questions of the child', () => {
  it('before it was introduced it may only ping', async () => {
    const { connection, written, questions, say } = bench();
    say({ id: 'p', method: 'ping' });
    say({ id: 'q', method: 'roots/list' });
    await turn();
    assert.deepEqual(written[0], { jsonrpc: '2.0', id: 'p', result: {} });
    assert.equal((written[1]?.['error'] as JsonObject)['code'], -32600);
    assert.equal(questions.length, 0);
    connection.end(new Fault('UPSTREAM_DIED'));
  });

  it('a question goes out under an id of ours, and the answer comes back under its own, once', async () => {
    const { connection, written, questions, say } = bench();
    connection.tell('notifications/initialized');
    say({ id: 7, method: 'roots/list' });
    assert.equal(questions[0]?.request.id, 's-1');
    const answer: Answer = { kind: 'result', text: json('{"roots":[]}') };
    assert.equal(connection.answer(7, answer), false);
    assert.equal(connection.answer('s-1', answer), true);
    assert.equal(connection.answer('s-1', answer), false);
    questions[0]?.settle(answer);
    await turn();
    assert.deepEqual(written.slice(1), [{ jsonrpc: '2.0', id: 7, result: { roots: [] } }]);
    connection.end(new Fault('UPSTREAM_DIED'));
  });

  it('an id that is open already is refused, and the first question goes on', async () => {
    const { connection, written, questions, say } = bench();
    connection.tell('notifications/initialized');
    say({ id: 7, method: 'roots/list' });
    say({ id: 7, method: 'sampling/createMessage', params: {} });
    await turn();
    assert.equal(questions.length, 1);
    assert.equal((written[1]?.['error'] as JsonObject)['code'], -32600);
    assert.equal(connection.answer('s-1', { kind: 'result', text: json('{}') }), true);
    connection.end(new Fault('UPSTREAM_DIED'));
  });

  it('more than 64 open questions are refused', () => {
    const { connection, questions, say } = bench();
    connection.tell('notifications/initialized');
    for (let id = 0; id < 100; id++) say({ id, method: 'roots/list' });
    assert.equal(questions.length, 64);
    connection.end(new Fault('UPSTREAM_DIED'));
  });

  it('a child takes back its own question only, and the caller hears of it under our id', () => {
    const { connection, notices, tally, say } = bench();
    connection.tell('notifications/initialized');
    say({ id: 7, method: 'roots/list' });
    say({ method: 'notifications/cancelled', params: { requestId: 1 } });
    say({ method: 'notifications/cancelled', params: { requestId: 7 } });
    assert.deepEqual(
      notices.map(({ notice }) => notice.params),
      ['{"requestId":"s-1"}'],
    );
    assert.equal(connection.answer('s-1', { kind: 'result', text: json('{}') }), false);
    assert.equal(tally.dropped, 1);
    connection.end(new Fault('UPSTREAM_DIED'));
  });

  it('a question that nobody answers in ten minutes is answered with an error', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { connection, written, clock, say } = bench();
    connection.tell('notifications/initialized');
    say({ id: 7, method: 'roots/list' });
    clock.now = 600_000;
    t.mock.timers.tick(600_000);
    await turn();
    assert.ok(written.some((it) => it['id'] === 7 && (it['error'] as JsonObject)['code'] === -32603));
    connection.end(new Fault('UPSTREAM_DIED'));
  });

  it('a request with a bad id is answered with -32600 and without an id', async () => {
    const { connection, written, say } = bench();
    connection.tell('notifications/initialized');
    for (const id of [null, 1.5, true]) say({ id, method: 'roots/list' });
    await turn();
    assert.deepEqual(
      written.slice(1).map((it) => ['id' in it, (it['error'] as JsonObject)['code']]),
      Array(3).fill([false, -32600]),
    );
    connection.end(new Fault('UPSTREAM_DIED'));
  });
});

describe('nonsense', () => {
  it('a thousand lines of garbage in ten seconds are forgiven, one more is not', () => {
    const { connection, verdicts, tally, clock } = bench();
    for (let i = 0; i < 1000; i++) connection.receive(Buffer.from('debug'));
    assert.deepEqual(verdicts, []);
    clock.now = 10_000;
    for (let i = 0; i < 1001; i++) connection.receive(Buffer.from('debug'));
    assert.equal(verdicts.length, 1);
    assert.equal(tally.dropped, 2001);
  });

  it('late answers to cancelled calls are not garbage', async () => {
    const { connection, verdicts, say } = bench({ concurrency: 2000, waitingMax: 2000 });
    const asked = Array.from({ length: 2000 }, () => passOf(echo(1)));
    const all = Promise.allSettled(asked.map(({ pass }) => connection.ask(pass, 1000)));
    await turn();
    for (const { call } of asked) call.halt.call('cancelled by the caller');
    for (let id = 1; id <= 2000; id++) say({ id, result: {} });
    await all;
    assert.deepEqual(verdicts, []);
  });

  it('a busy child may say more besides its answers than an idle one', async () => {
    const { connection, verdicts, say } = bench({ concurrency: 2000, waitingMax: 2000 });
    const all = Array.from({ length: 100 }, () => connection.ask(passOf(echo(1)).pass, 1000));
    await turn();
    say({ method: 'notifications/message', params: {} });
    for (let id = 1; id <= 100; id++) say({ id, result: {} });
    await Promise.all(all);
    for (let i = 1; i < 20_400; i++) say({ method: 'notifications/message', params: {} });
    assert.deepEqual(verdicts, []);
    say({ method: 'notifications/message', params: {} });
    assert.equal(verdicts.length, 1);
  });

  it('a flood of notifications is', () => {
    const { verdicts, say } = bench();
    for (let i = 0; i <= 20_000; i++) say({ method: 'notifications/message', params: {} });
    assert.equal(verdicts.length, 1);
  });
});

it('a real clock drives the deadlines', async () => {
  const real = new Connection({
    limits: { concurrency: 1, waitingMax: 1 },
    clock: realClock,
    bounds: { bytesMax: 1000, depthMax: 10 },
    answerWithinMsMax: 3_600_000,
    questionWithinMs: 1,
    nextQuestionId: () => 's-1',
    write: () => true,
    tally: new Tally({ clock: realClock, say: () => undefined, faulty: () => undefined }),
    hearing: { question: undefined, notice: () => undefined },
  });
  await assert.rejects(real.ask(passOf(echo(1)).pass, 30), fault('UPSTREAM_TIMEOUT'));
  real.end(new Fault('UPSTREAM_DIED'));
});
