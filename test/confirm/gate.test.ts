import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import type { Call } from '../../src/domain/call.ts';
import type { Consent, Permit } from '../../src/domain/decision.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { JsonText } from '../../src/domain/message.ts';
import { Gate, type GateParts } from '../../src/confirm/gate.ts';
import { newQuestionId, type Question } from '../../src/confirm/question.ts';

const confirm: Permit = {
  kind: 'confirm',
  rule: 'writes',
  record: [],
  rate: undefined,
  answerWithinMs: 5000,
};
const params = '{"name":"write","arguments":{"token":"sk-secret"}}' as JsonText;

function call(caller = 'alice'): Call {
  const principal = { name: caller };
  return {
    id: 'call-1',
    at: 0,
    remote: '',
    principal,
    session: { id: 's', principal, server: 'files', era: 'legacy', agreed: undefined },
    server: 'files',
    target: { kind: 'tool', name: 'write' },
    message: { kind: 'request', id: 1, method: 'tools/call', params },
    params: {},
    userAgent: undefined,
    outlet: { send: () => 'gone' },
    halt: new Halt(),
    mirror: undefined,
    resumes: undefined,
  };
}

function setUp(more: Partial<GateParts> = {}) {
  const clock = { now: 0, wall: 1_000_000 };
  const timers = new Map<() => void, number>();
  const asked: Question[] = [];
  const gate = new Gate({
    clock: { steadyMs: () => clock.now, wallMs: () => clock.wall },
    later: (afterMs, run) => {
      timers.set(run, afterMs);
      return () => timers.delete(run);
    },
    redact: (text) => text.replaceAll('sk-secret', '[redacted]'),
    pendingMax: 100,
    onAsk: (question) => asked.push(question),
    ...more,
  });
  const fire = () => {
    for (const run of [...timers.keys()]) {
      timers.delete(run);
      run();
    }
  };
  return { gate, clock, timers, asked, fire, last: () => asked.at(-1) as Question };
}

const yes = { verdict: 'approve', by: 'root' } as const;
const no = { verdict: 'deny', by: 'root', reason: 'not on a Friday' } as const;

test('what needs nobody is approved at once, without a promise', () => {
  const { gate, asked } = setUp();
  const consent = gate.ask(call(), { kind: 'allow', rule: 'r', record: [], rate: undefined });
  assert.deepEqual(consent, { kind: 'approved', by: 'policy' });
  assert.deepEqual(asked, []);
});

test('a question says everything, with secrets redacted and the hash of what will be forwarded', () => {
  const { gate, last } = setUp();
  void gate.ask(call(), confirm);
  const { id, ...rest } = last();
  assert.match(id, /^[0-9a-hjkmnp-tv-z]{8}$/);
  assert.deepEqual(rest, {
    askedAt: 1_000_000,
    expiresAt: 1_005_000,
    callId: 'call-1',
    caller: 'alice',
    server: 'files',
    method: 'tools/call',
    target: { kind: 'tool', name: 'write' },
    rule: 'writes',
    argsText: '{"name":"write","arguments":{"token":"[redacted]"}}',
    argsSha256: hash('sha256', params, 'hex'),
  });
  assert.deepEqual(gate.list(), [last()]);
});

test('a yes lets one call go, once, however often and quickly it is given', async () => {
  const { gate, last, timers } = setUp();
  let forwarded = 0;
  const going = Promise.resolve(gate.ask(call(), confirm)).then((consent) => {
    if (consent.kind === 'approved') forwarded++;
    return consent;
  });
  const { id } = last();
  const answers = await Promise.all([1, 2, 3].map(async () => gate.answer(id, yes).kind));
  assert.deepEqual(answers, ['taken', 'already', 'already']);
  assert.deepEqual(await going, { kind: 'approved', by: 'root' });
  assert.equal(forwarded, 1);
  assert.deepEqual(gate.answer(id, no), { kind: 'already', ending: 'approved', by: 'root' });
  assert.deepEqual([gate.list().length, timers.size], [0, 0]);
});

test('a yes given for one call does not work for another', async () => {
  const { gate, last } = setUp();
  const first = gate.ask(call(), confirm);
  const { id } = last();
  const second = gate.ask(call(), confirm);
  gate.answer(id, yes);
  assert.equal((await first).kind, 'approved');
  gate.answer(id, yes);
  assert.equal(gate.list().length, 1);
  gate.answer(last().id, no);
  assert.deepEqual(await second, { kind: 'declined', by: 'root', reason: 'not on a Friday' });
});

test('a question without an answer expires, and a late yes changes nothing', async () => {
  const { gate, last, clock, fire, timers } = setUp();
  const asking = gate.ask(call(), confirm);
  clock.now = 5000;
  fire();
  assert.deepEqual(await asking, { kind: 'expired', afterMs: 5000 });
  assert.deepEqual(gate.answer(last().id, yes), { kind: 'already', ending: 'expired', by: undefined });
  assert.equal(timers.size, 0);
});

test('a yes after the deadline is too late even when the timer sleeps', async () => {
  const { gate, last, clock } = setUp();
  const asking = gate.ask(call(), confirm);
  clock.now = 5000;
  assert.deepEqual(gate.answer(last().id, yes), { kind: 'already', ending: 'expired', by: undefined });
  assert.equal((await asking).kind, 'expired');
});

test('a timer that fires early, or cannot wait as long as the question, is set again', async () => {
  const { gate, clock, timers, fire } = setUp();
  const asking = gate.ask(call(), { ...confirm, answerWithinMs: 2 ** 40 });
  assert.deepEqual([...timers.values()], [2 ** 31 - 1]);
  fire();
  assert.equal(gate.list().length, 1);
  clock.now = 2 ** 40;
  fire();
  assert.equal((await asking).kind, 'expired');
});

test('a call that is stopped while it waits takes its question along', async () => {
  const { gate, last, timers } = setUp();
  const stopped = call();
  const asking = gate.ask(stopped, confirm);
  stopped.halt.call('cancelled by the caller');
  await assert.rejects(Promise.resolve(asking), { code: 'CANCELLED', detail: 'cancelled by the caller' });
  assert.deepEqual([gate.list().length, timers.size], [0, 0]);
  assert.deepEqual(gate.answer(last().id, yes), { kind: 'already', ending: 'withdrawn', by: undefined });
});

test('nobody is asked about a call that was stopped before', () => {
  const { gate, asked } = setUp();
  const stopped = call();
  stopped.halt.call('session ended');
  assert.throws(() => gate.ask(stopped, confirm), { code: 'CANCELLED' });
  assert.deepEqual(asked, []);
});

test('a stop after the yes finds nothing to stop here', async () => {
  const { gate, last } = setUp();
  const going = call();
  const asking = gate.ask(going, confirm);
  gate.answer(last().id, yes);
  going.halt.call('cancelled by the caller');
  assert.equal((await asking).kind, 'approved');
  assert.deepEqual(gate.answer(last().id, yes), { kind: 'already', ending: 'approved', by: 'root' });
});

test('one caller cannot fill the operator\u2019s screen, nor can all together', () => {
  const { gate } = setUp({ pendingMax: 10 });
  for (let count = 0; count < 8; count++) void gate.ask(call(), confirm);
  assert.match((gate.ask(call(), confirm) as Consent & { kind: 'cannot-ask' }).reason, /your calls/);
  void gate.ask(call('bob'), confirm);
  void gate.ask(call('bob'), confirm);
  assert.match(
    (gate.ask(call('carol'), confirm) as Consent & { kind: 'cannot-ask' }).reason,
    /Too many questions/,
  );
  assert.equal(gate.list().length, 10);
});

test('stopping declines what waits, and nobody is asked any more', async () => {
  const { gate, timers } = setUp();
  const asking = [call(), call('bob')].map((it) => Promise.resolve(gate.ask(it, confirm)));
  gate.drain();
  assert.deepEqual(
    (await Promise.all(asking)).map((it) => it.kind),
    ['declined', 'declined'],
  );
  assert.equal((gate.ask(call(), confirm) as Consent).kind, 'cannot-ask');
  assert.deepEqual([gate.list().length, timers.size], [0, 0]);
});

test('an id is read as a person types it, and a wrong one is unknown', async () => {
  const { gate } = setUp({ newId: () => '01ab01yz' });
  const asking = gate.ask(call(), confirm);
  assert.deepEqual(gate.answer('constructor', yes), { kind: 'unknown' });
  assert.deepEqual(gate.answer('', yes), { kind: 'unknown' });
  assert.equal(gate.answer(' OIAB-olYZ ', yes).kind, 'taken');
  assert.equal((await asking).kind, 'approved');
});

test('an id that was used is not given to another question', () => {
  const ids = ['aaaaaaaa', 'aaaaaaaa', 'bbbbbbbb'];
  const { gate, last } = setUp({ newId: () => ids.shift() ?? '' });
  void gate.ask(call(), confirm);
  gate.answer('aaaaaaaa', no);
  void gate.ask(call(), confirm);
  assert.equal(last().id, 'bbbbbbbb');
  assert.notEqual(newQuestionId(), newQuestionId());
});

test('when the question cannot be announced the call fails and leaves nothing behind', async () => {
  const { gate, timers } = setUp({
    onAsk: () => {
      throw new Error('log is gone');
    },
  });
  await assert.rejects(Promise.resolve(gate.ask(call(), confirm)), { code: 'BUG' });
  assert.deepEqual([gate.list().length, timers.size], [0, 0]);
});
