import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Call } from '../../src/domain/call.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { Answer, JsonText } from '../../src/domain/message.ts';
import { encode, member, valueOf, withMember, withoutMember } from '../../src/protocol/codec.ts';
import { Redactor } from '../../src/redact/redact.ts';
import { Rounds } from '../../src/rounds/rounds.ts';
import { modern, type Asking } from './support.ts';

const key = Buffer.alloc(32, 7);
const validMs = 60_000;

function roundsAt(clock: { now: number }, its = key): Rounds {
  return new Rounds({
    clock: { wallMs: () => clock.now, steadyMs: () => 0 },
    key: its,
    validMs,
    ordersVersion: () => 'v1',
    bindingOf: () => 'd@c',
  });
}
const still = { now: 1_000_000 };
const rounds = roundsAt(still);

const asking = (more: object = {}): Answer => ({
  kind: 'result',
  text: encode({ resultType: 'input_required', inputRequests: { a: { method: 'roots/list' } }, ...more }),
});
const textOf = (call: Call): JsonText =>
  (call.message.kind === 'request' ? call.message.params : undefined) as JsonText;

/** The state that a client is given for a call, out of which it makes the next. */
function stateFor(call: Call, more: object = { requestState: 'theirs' }, by: Rounds = rounds): string {
  const said = member(by.pause(call, asking(more)).text, ['requestState']);
  assert.ok(said !== undefined);
  return valueOf(said) as string;
}

const first: Asking = { params: { name: 'echo', arguments: { a: 1, b: { c: [1, 2] } } } };
/** The next round of the same call, with a state; `changes` are what a thief or a careless client changes. */
function next(requestState: unknown, changes: Asking = {}): Call {
  const params = {
    ...(changes.params ?? first.params),
    inputResponses: { a: {} },
    requestState,
  } as Asking['params'];
  return modern({ ...changes, ...(changes.text === undefined ? { params: params ?? {} } : {}) }).call;
}
const refuses = (call: Call, by: Rounds = rounds, why?: string): void =>
  assert.throws(
    () => by.resume(call),
    (reason) => reason instanceof Fault && reason.code === 'STALE_STATE',
    why,
  );

describe('the state of a call in rounds', () => {
  it('comes back to its server as the server said it, whatever it said', () => {
    const text = fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units));
    fc.assert(
      fc.property(text, (theirs) => {
        const resumed = rounds.resume(next(stateFor(modern(first).call, { requestState: theirs })));
        assert.equal(resumed.params['requestState'], theirs);
        assert.equal(valueOf(member(textOf(resumed), ['requestState']) as JsonText), theirs);
        assert.equal(resumed.resumes, undefined);
      }),
      { numRuns: 300 },
    );
  });

  it('leaves everything else of the call as it stands', () => {
    const numbers = '"arguments":{"b":12345678901234567890,"a":1.0},"name":"echo","zz":-0';
    const { call } = modern({ text: `{${numbers}}` });
    const state = stateFor(call);
    const again = next(state, {
      text: `{${numbers},"requestState":"${state}","inputResponses":{"a":{"x":1E+2}}}`,
    });
    const resumed = rounds.resume(again);
    assert.equal(
      withoutMember(textOf(resumed), 'requestState'),
      withoutMember(textOf(again), 'requestState'),
    );
    assert.deepEqual({ ...resumed, params: 0, message: 0 }, { ...again, params: 0, message: 0 });
  });

  it('names the call that waits, and tells its child nothing of it', () => {
    const held: Answer = { ...asking(), held: 'held-1' } as Answer;
    const state = member(rounds.pause(modern(first).call, held).text, ['requestState']);
    const resumed = rounds.resume(next(valueOf(state as JsonText)));
    assert.equal(resumed.resumes, 'held-1');
    assert.equal('requestState' in resumed.params, false);
    assert.equal(member(textOf(resumed), ['requestState']), undefined);
  });

  it('cannot be read or told from another', () => {
    const { call } = modern(first);
    const one = stateFor(call, { requestState: 'the-secret-word' });
    assert.notEqual(one, stateFor(call, { requestState: 'the-secret-word' }));
    for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const)
      assert.equal(Buffer.from(one, encoding).includes('secret'), false, encoding);
  });

  it('opens no other call: not another caller’s, server’s, method’s or tool’s, nor one with other arguments', () => {
    const state = stateFor(modern(first).call);
    const changes: Asking[] = [
      { caller: 'bob' },
      { caller: 'ann ' },
      { caller: '' },
      { server: 'fy' },
      { method: 'prompts/get' },
      { method: 'resources/read' },
      { method: 'tools/Call' },
      { params: { name: 'Echo', arguments: { a: 1, b: { c: [1, 2] } } } },
      { params: { name: 'echo' } },
      { params: { name: 'echo', arguments: { a: 1, b: { c: [2, 1] } } } },
      { params: { name: 'echo', arguments: { a: '1', b: { c: [1, 2] } } } },
      { params: { name: 'echo', arguments: { a: 1, b: { c: [1, 2] }, d: null } } },
      { params: { name: 'echo', arguments: { b: { c: [1, 2] }, a: 1 } } },
      { params: { arguments: { a: 1, b: { c: [1, 2] } }, name: 'echo' } },
      { params: { name: 'echo', arguments: { a: 1, b: { c: [1, 2] } }, more: 1 } },
    ];
    for (const change of changes) refuses(next(state, change), rounds, JSON.stringify(change));
    assert.equal(rounds.resume(next(state)).params['requestState'], 'theirs');
  });

  it('tells 1 from 1.0, and half a pair of surrogates from the sign that stands for one', () => {
    const pairs = [
      ['{"name":"n","arguments":{"a":1}}', '{"name":"n","arguments":{"a":1.0}}'],
      ['{"name":"\\ud800"}', '{"name":"\ufffd"}'],
      ['{"\\ud800":1}', '{"\ufffd":1}'],
      ['{"a":"b","c":1}', '{"a":"b\\",\\"c","d":1}'],
    ] as const;
    for (const [mine, other] of pairs) {
      const state = stateFor(modern({ text: mine }).call);
      refuses(next(state, { text: `${other.slice(0, -1)},"requestState":"${state}"}` }), rounds, other);
      const again = next(state, { text: `${mine.slice(0, -1)},"requestState":"${state}"}` });
      assert.equal(rounds.resume(again).params['requestState'], 'theirs', mine);
    }
  });

  it('does not depend on what may differ from round to round', () => {
    const state = stateFor(
      modern({ ...first, meta: { progressToken: 1 }, capabilities: { roots: {} } }).call,
    );
    const again = next(state, {
      capabilities: { sampling: {} },
      id: 'another',
      meta: { progressToken: 2 },
      client: { name: 'x' },
    });
    assert.equal(rounds.resume(again).params['requestState'], 'theirs');
  });

  it('is worth nothing with one character changed, cut, added or spelled otherwise', () => {
    const state = stateFor(modern(first).call);
    for (let at = 0; at < state.length; at++) {
      const other = state[at] === 'a' ? 'b' : 'a';
      refuses(next(state.slice(0, at) + other + state.slice(at + 1)));
      refuses(next(state.slice(0, at)));
      refuses(next(state.slice(at + 1)));
    }
    const spelled = [
      state.toUpperCase(),
      ` ${state}`,
      `${state} `,
      `${state}=`,
      `${state}\n`,
      `${state}0`,
      `${state}00`,
      `${state}zz`,
      state + state,
      `\u0000${state}`,
    ];
    for (const other of spelled) if (other !== state) refuses(next(other), rounds, other.slice(-10));
  });

  it('is a string and nothing else', () => {
    const state = stateFor(modern(first).call);
    for (const other of [null, 0, 1, true, false, {}, [], [state], { state }, '', ' ']) refuses(next(other));
  });

  it('does not open in pieces that were never sealed together', () => {
    const [one, two] = [
      stateFor(modern(first).call),
      stateFor(modern(first).call, { requestState: 'other!' }),
    ];
    for (let cut = 1; cut < one.length; cut++) {
      const pieced = one.slice(0, cut) + two.slice(cut);
      if (pieced !== one && pieced !== two) refuses(next(pieced));
    }
  });

  it('is no oracle: random states of every length are refused alike', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const encoding of ['hex', 'base64url'] as const)
          refuses(next(Buffer.from(bytes).toString(encoding)));
      }),
    );
  });

  it('ends when its time is over, and not before', () => {
    const clock = { now: 5_000 };
    const by = roundsAt(clock);
    const state = stateFor(modern(first).call, { requestState: 'theirs' }, by);
    clock.now += validMs - 1;
    assert.equal(by.resume(next(state)).params['requestState'], 'theirs');
    clock.now += 1;
    refuses(next(state), by);
  });

  it('outlives a restart with the same key, and no change of the key', () => {
    const state = stateFor(modern(first).call);
    assert.equal(roundsAt(still, Buffer.from(key)).resume(next(state)).params['requestState'], 'theirs');
    refuses(next(state), roundsAt(still, Buffer.alloc(32, 8)));
  });

  it('may be presented again: what a replay does is for the server to say', () => {
    const state = stateFor(modern(first).call);
    for (let times = 0; times < 3; times++)
      assert.equal(rounds.resume(next(state)).params['requestState'], 'theirs');
  });

  it('may be as large as a megabyte, and comes back within what a client may send', () => {
    for (const large of ['x'.repeat(1024 * 1024 - 2), 'é'.repeat(512 * 1024 - 1), '"'.repeat(500_000)]) {
      const state = stateFor(modern(first).call, { requestState: large });
      assert.equal(rounds.resume(next(state)).params['requestState'] === large, true);
      assert.ok(state.length < 3 * 1024 * 1024, `${state.length} characters`);
    }
  });

  it('of more than a megabyte, or of another type, is a fault of the server', () => {
    const garbled = (reason: unknown) => reason instanceof Fault && reason.code === 'UPSTREAM_GARBLED';
    const wrong = ['x'.repeat(1024 * 1024), 'é'.repeat(600_000), 7, null, {}, ['s'], true];
    for (const requestState of wrong)
      assert.throws(
        () => rounds.pause(modern(first).call, asking({ requestState })),
        garbled,
        typeof requestState,
      );
  });

  it('holds nothing that the redactor takes for a secret, or what it leaves would open nothing', () => {
    const redactor = new Redactor();
    const { call } = modern(first);
    // Twenty megabytes of states: in base64url some of them would hold the beginnings of keys.
    for (let times = 0; times < 20; times++) {
      const answer = rounds.pause(call, asking({ requestState: 'x'.repeat(1_000_000) }));
      assert.equal(redactor.clean(answer.text) === answer.text, true);
    }
  });
});

describe('an answer that is no round', () => {
  const same = (answer: Answer, call = modern(first).call) =>
    assert.equal(rounds.pause(call, answer), answer);

  it('stays as it is', () => {
    same({
      kind: 'error',
      text: encode({ code: 1, message: '"input_required"', data: { resultType: 'input_required' } }),
    });
    same({
      kind: 'result',
      text: encode({
        resultType: 'complete',
        content: [{ resultType: 'input_required', requestState: 's' }],
      }),
    });
    same({ kind: 'result', text: encode({ resultType: ['input_required'], requestState: 's' }) });
    same({ kind: 'result', text: encode({ status: 'input_required', requestState: 's' }) });
    same({ kind: 'result', text: encode({ requestState: 's' }) });
    same(asking());
  });

  it('stays as it is in the legacy era, which has no rounds', () => {
    same(asking({ requestState: 's' }), modern({ ...first, era: 'legacy' }).call);
    const call = next('anything', { era: 'legacy' });
    assert.equal(rounds.resume(call), call);
  });

  it('and a call without a state needs none', () => {
    for (const call of [modern(first).call, modern({ ...first, method: 'tools/list' }).call])
      assert.equal(rounds.resume(call), call);
  });

  it('seals what the server said in place of what it seemed to say deeper down', () => {
    const answer = rounds.pause(
      modern(first).call,
      asking({ requestState: 'top', _meta: { requestState: 'deep' } }),
    );
    assert.equal(member(answer.text, ['_meta', 'requestState']), '"deep"');
    assert.notEqual(member(answer.text, ['requestState']), '"top"');
    assert.equal(
      withMember(answer.text, ['requestState'], encode('top')),
      asking({ requestState: 'top', _meta: { requestState: 'deep' } }).text,
    );
  });
});
