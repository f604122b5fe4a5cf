import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { newQuestionId } from '../../src/confirm/question.ts';
import type { Consent } from '../../src/domain/decision.ts';
import type { JsonText } from '../../src/domain/message.ts';
import { allow, calling, confirm as confirmation, orders, setUp } from './support.ts';

const confirm = confirmation();
const params = '{"name":"write","arguments":{"token":"sk-secret"}}' as JsonText;
const call = (who = 'alice') => calling({ who, params });

const yes = { verdict: 'approve', by: 'root' } as const;
const no = { verdict: 'deny', by: 'root', reason: 'not on a Friday' } as const;

test('what needs nobody is approved at once, without a promise', () => {
  const { gate, asked } = setUp();
  const consent = gate.ask(call(), allow, orders());
  assert.deepEqual(consent, { kind: 'approved', by: 'policy' });
  assert.deepEqual(asked, []);
});

test('a question says everything, with secrets redacted and the hash of what will be forwarded', () => {
  const { gate, last, ask } = setUp();
  const its = call();
  void ask(its, confirm);
  const { id, ...rest } = last();
  assert.match(id, /^[0-9a-hjkmnp-tv-z]{8}$/);
  assert.deepEqual(rest, {
    askedAt: 1_000_000,
    expiresAt: 1_005_000,
    callId: its.id,
    caller: 'alice',
    server: 'files',
    method: 'tools/call',
    target: { kind: 'tool', name: 'write' },
    rule: 'writes',
    effect: undefined,
    argsText: '{"name":"write","arguments":{"token":"[redacted]"}}',
    argsSha256: hash('sha256', params, 'hex'),
    channels: ['operator'],
    approvalsNeeded: 1,
    approvedBy: [],
    leaseMsMax: 0,
    leaseSame: [],
  });
  assert.deepEqual(gate.list(), [last()]);
});

test('a yes lets one call go, once, however often and quickly it is given', async () => {
  const { gate, last, timers, ask } = setUp();
  let forwarded = 0;
  const going = Promise.resolve(ask(call(), confirm)).then((consent) => {
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

test('a question that waits is found by its id as people type it', () => {
  const { gate, last, ask } = setUp();
  void ask(call(), confirm);
  void ask(call(), confirm);
  assert.deepEqual(gate.list(` ${last().id.toUpperCase()} `), [last()]);
  assert.deepEqual(gate.list('none'), []);
});

test('a yes given for one call does not work for another', async () => {
  const { gate, last, ask } = setUp();
  const first = ask(call(), confirm);
  const { id } = last();
  const second = ask(call(), confirm);
  gate.answer(id, yes);
  assert.equal((await first).kind, 'approved');
  gate.answer(id, yes);
  assert.equal(gate.list().length, 1);
  gate.answer(last().id, no);
  assert.deepEqual(await second, { kind: 'declined', by: 'root', reason: 'not on a Friday' });
});

test('a question without an answer expires, and a late yes changes nothing', async () => {
  const { gate, last, pass, timers, ask } = setUp();
  const asking = ask(call(), confirm);
  pass(5000);
  assert.deepEqual(await asking, { kind: 'expired', afterMs: 5000 });
  assert.deepEqual(gate.answer(last().id, yes), { kind: 'already', ending: 'expired', by: undefined });
  assert.equal(timers.size, 0);
});

test('a yes after the deadline is too late even when the timer sleeps', async () => {
  const { gate, last, clock, ask } = setUp();
  const asking = ask(call(), confirm);
  clock.now = 5000;
  assert.deepEqual(gate.answer(last().id, yes), { kind: 'already', ending: 'expired', by: undefined });
  assert.equal((await asking).kind, 'expired');
});

test('a timer that fires early, or cannot wait as long as the question, is set again', async () => {
  const { gate, timers, pass, ask } = setUp();
  const asking = ask(call(), confirmation(undefined, { answerWithinMs: 2 ** 40 }));
  assert.deepEqual([...timers.values()], [2 ** 31 - 1]);
  const [early] = timers.keys();
  early?.();
  assert.equal(gate.list().length, 1);
  pass(2 ** 40);
  assert.equal((await asking).kind, 'expired');
});

test('a call that is stopped while it waits takes its question along', async () => {
  const { gate, last, timers, ask } = setUp();
  const stopped = call();
  const asking = ask(stopped, confirm);
  stopped.halt.call('cancelled by the caller');
  await assert.rejects(Promise.resolve(asking), { code: 'CANCELLED', detail: 'cancelled by the caller' });
  assert.deepEqual([gate.list().length, timers.size], [0, 0]);
  assert.deepEqual(gate.answer(last().id, yes), { kind: 'already', ending: 'withdrawn', by: undefined });
});

test('nobody is asked about a call that was stopped before', () => {
  const { asked, ask } = setUp();
  const stopped = call();
  stopped.halt.call('session ended');
  assert.throws(() => ask(stopped, confirm), { code: 'CANCELLED' });
  assert.deepEqual(asked, []);
});

test('a stop after the yes finds nothing to stop here', async () => {
  const { gate, last, ask } = setUp();
  const going = call();
  const asking = ask(going, confirm);
  gate.answer(last().id, yes);
  going.halt.call('cancelled by the caller');
  assert.equal((await asking).kind, 'approved');
  assert.deepEqual(gate.answer(last().id, yes), { kind: 'already', ending: 'approved', by: 'root' });
});

test('one caller cannot fill the operator\u2019s screen, nor can all together', () => {
  const { gate, ask } = setUp({ pendingMax: 10 });
  for (let count = 0; count < 8; count++) void ask(call(), confirm);
  assert.match((ask(call(), confirm) as Consent & { kind: 'cannot-ask' }).reason, /your calls/);
  void ask(call('bob'), confirm);
  void ask(call('bob'), confirm);
  assert.match(
    (ask(call('carol'), confirm) as Consent & { kind: 'cannot-ask' }).reason,
    /Too many questions/,
  );
  assert.equal(gate.list().length, 10);
});

test('stopping declines what waits, and nobody is asked any more', async () => {
  const { gate, timers, ask } = setUp();
  const asking = [call(), call('bob')].map((it) => Promise.resolve(ask(it, confirm)));
  gate.drain();
  assert.deepEqual(
    (await Promise.all(asking)).map((it) => it.kind),
    ['declined', 'declined'],
  );
  assert.equal((ask(call(), confirm) as Consent).kind, 'cannot-ask');
  assert.deepEqual([gate.list().length, timers.size], [0, 0]);
});

test('an id is read as a person types it, and a wrong one is unknown', async () => {
  const { gate, ask } = setUp({ newId: () => '01ab01yz' });
  const asking = ask(call(), confirm);
  assert.deepEqual(gate.answer('constructor', yes), { kind: 'unknown' });
  assert.deepEqual(gate.answer('', yes), { kind: 'unknown' });
  assert.equal(gate.answer(' OIAB-olYZ ', yes).kind, 'taken');
  assert.equal((await asking).kind, 'approved');
});

test('an id that was used is not given to another question', () => {
  const ids = ['aaaaaaaa', 'aaaaaaaa', 'bbbbbbbb'];
  const { gate, last, ask } = setUp({ newId: () => ids.shift() ?? '' });
  void ask(call(), confirm);
  gate.answer('aaaaaaaa', no);
  void ask(call(), confirm);
  assert.equal(last().id, 'bbbbbbbb');
  assert.notEqual(newQuestionId(), newQuestionId());
});

test('when the question cannot be announced the call fails and leaves nothing behind', () => {
  const { gate, timers, ask } = setUp({
    onAsk: () => {
      throw new Error('log is gone');
    },
  });
  assert.throws(() => ask(call(), confirm), { code: 'BUG' });
  assert.deepEqual([gate.list().length, timers.size], [0, 0]);
});
