import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Call } from '../../src/domain/call.ts';
import type { Answer, JsonText } from '../../src/domain/message.ts';
import { encode, member, objectOf, withMember } from '../../src/protocol/codec.ts';
import { Rounds } from '../../src/rounds/rounds.ts';
import { sampleArrival, sampleCall, sampleSession } from '../audit/sample.ts';

const parts = {
  clock: { wallMs: () => 1_000, steadyMs: () => 0 },
  key: randomBytes(32),
  validMs: 60_000,
  ordersVersion: () => 'v1',
  bindingOf: () => 'digest@child',
};
const ana = { kind: 'approved', by: 'ana', rule: 'writes' } as const;

function callWith(params: JsonText): Call {
  const session = sampleSession({ era: 'modern' });
  const message = { kind: 'request', id: 1, method: 'tools/call', params } as const;
  const call = sampleCall(
    sampleArrival({ message, era: 'modern' }),
    { kind: 'tool', name: 'write' },
    session,
  );
  return { ...call, params: objectOf(params) };
}

const params = encode({ name: 'write', arguments: { path: '/a' } });
const asks = (more: object = {}): Answer => ({
  kind: 'result',
  text: encode({ resultType: 'input_required', inputRequests: {}, ...more }),
});

/** A call as the story makes it: looked at when it comes, and when it is answered. */
function made(rounds: Rounds, answer: Answer, of: JsonText = params): Answer {
  return rounds.pause(rounds.resume(callWith(of)), answer, ana);
}

/** The same call again, with the state of the round before. */
function again(answer: Answer, of: JsonText = params): Call {
  const state = member(answer.text, ['requestState']);
  return callWith(withMember(of, ['requestState'], state ?? encode('')));
}

test('a yes goes on to the next round of its call, also where the server keeps no state', () => {
  for (const answer of [asks(), asks({ requestState: 'theirs' }), { ...asks(), held: 'a call' }]) {
    const rounds = new Rounds(parts);
    const next = rounds.resume(again(made(rounds, answer)));
    assert.deepEqual(next.approved, ana);
  }
});

test('a yes works once, however often its state is sent', () => {
  const rounds = new Rounds(parts);
  const paused = made(rounds, asks({ requestState: 'theirs' }));
  assert.deepEqual(rounds.resume(again(paused)).approved, ana);
  assert.equal(rounds.resume(again(paused)).approved, undefined);
});

test('a yes for one call is none for another', () => {
  const rounds = new Rounds(parts);
  const paused = made(rounds, asks());
  const other = encode({ name: 'write', arguments: { path: '/b' } });
  assert.throws(() => rounds.resume(again(paused, other)), { code: 'STALE_STATE' });
});

test('after a restart somebody is asked again', () => {
  const paused = made(new Rounds(parts), asks({ requestState: 'theirs' }));
  const next = new Rounds(parts).resume(again(paused));
  assert.equal(next.approved, undefined);
  assert.equal(next.params['requestState'], 'theirs');
});

test('where nobody had to agree, a server without state gets none', () => {
  const rounds = new Rounds(parts);
  const answer = asks();
  assert.equal(
    rounds.pause(callWith(params), answer, { kind: 'approved', by: 'policy', rule: 'reads' }),
    answer,
  );
});

test('a yes is none in a round under another policy, for another definition, or in another child', () => {
  const now = { version: 'v1', binding: 'digest@child' };
  const watching = { ...parts, ordersVersion: () => now.version, bindingOf: () => now.binding };
  const changes: readonly Partial<typeof now>[] = [
    { version: 'v2' },
    { binding: 'other@child' },
    { binding: 'digest@child-2' },
    { binding: '@' },
  ];
  for (const change of changes) {
    Object.assign(now, { version: 'v1', binding: 'digest@child' });
    const rounds = new Rounds(watching);
    const paused = made(rounds, asks({ requestState: 'theirs' }));
    Object.assign(now, change);
    const next = rounds.resume(again(paused));
    assert.equal(next.approved, undefined, JSON.stringify(change));
    assert.equal(next.params['requestState'], 'theirs', 'the call itself goes on');
    Object.assign(now, { version: 'v1', binding: 'digest@child' });
    assert.equal(rounds.resume(again(paused)).approved, undefined, 'and it does not come back');
  }
});

test('a policy that changes while the server works is the policy of the next round, not of the yes', () => {
  const now = { version: 'v1' };
  const rounds = new Rounds({ ...parts, ordersVersion: () => now.version });
  const call = rounds.resume(callWith(params));
  now.version = 'v2';
  const paused = rounds.pause(call, asks(), ana);
  assert.equal(rounds.resume(again(paused)).approved, undefined);
});
