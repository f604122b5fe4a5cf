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
};
const ana = { kind: 'approved', by: 'ana' } as const;

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

/** The same call again, with the state of the round before. */
function again(answer: Answer, of: JsonText = params): Call {
  const state = member(answer.text, ['requestState']);
  return callWith(withMember(of, ['requestState'], state ?? encode('')));
}

test('a yes goes on to the next round of its call, also where the server keeps no state', () => {
  for (const answer of [asks(), asks({ requestState: 'theirs' }), { ...asks(), held: 'a call' }]) {
    const rounds = new Rounds(parts);
    const next = rounds.resume(again(rounds.pause(callWith(params), answer, ana)));
    assert.deepEqual(next.approved, ana);
  }
});

test('a yes works once, however often its state is sent', () => {
  const rounds = new Rounds(parts);
  const paused = rounds.pause(callWith(params), asks({ requestState: 'theirs' }), ana);
  assert.deepEqual(rounds.resume(again(paused)).approved, ana);
  assert.equal(rounds.resume(again(paused)).approved, undefined);
});

test('a yes for one call is none for another', () => {
  const rounds = new Rounds(parts);
  const paused = rounds.pause(callWith(params), asks(), ana);
  const other = encode({ name: 'write', arguments: { path: '/b' } });
  assert.throws(() => rounds.resume(again(paused, other)), { code: 'STALE_STATE' });
});

test('after a restart somebody is asked again', () => {
  const paused = new Rounds(parts).pause(callWith(params), asks({ requestState: 'theirs' }), ana);
  const next = new Rounds(parts).resume(again(paused));
  assert.equal(next.approved, undefined);
  assert.equal(next.params['requestState'], 'theirs');
});

test('where nobody had to agree, a server without state gets none', () => {
  const rounds = new Rounds(parts);
  const answer = asks();
  assert.equal(rounds.pause(callWith(params), answer, { kind: 'approved', by: 'policy' }), answer);
});
