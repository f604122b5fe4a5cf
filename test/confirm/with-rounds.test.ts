// The gate and the rounds together: what a client is given, and what it sends back.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Call } from '../../src/domain/call.ts';
import type { Confirmation, Consent } from '../../src/domain/decision.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { JsonObject, JsonText } from '../../src/domain/message.ts';
import { encode, member, objectOf } from '../../src/protocol/codec.ts';
import { Redactor } from '../../src/redact/redact.ts';
import { Rounds } from '../../src/rounds/rounds.ts';
import {
  accepted,
  awaitingIn,
  calling,
  caller,
  confirm,
  operator,
  setUp,
  ticket,
  ticketIn,
  type Calling,
} from './support.ts';

function house(key = randomBytes(32)) {
  const bench = setUp({ pose: (call, posed) => rounds.pose(call, posed) });
  const clock = { steadyMs: () => bench.clock.now, wallMs: () => bench.clock.wall };
  const { version, binding } = { version: () => bench.world.version, binding: () => bench.world.binding };
  const rounds = new Rounds({ clock, key, validMs: 600_000, ordersVersion: version, bindingOf: binding });
  /** As the story does: what the call brings is taken out before anybody decides. */
  const arrive = (call: Call, permit: Confirmation = confirm([caller])) => {
    const resumed = rounds.resume(call);
    return { resumed, consent: bench.ask(resumed, permit) };
  };
  return { ...bench, rounds, arrive, key };
}

const textOf = ({ message }: Call): JsonText =>
  (message.kind === 'request' ? message.params : undefined) ?? ('{}' as JsonText);

/** The call as its client makes it again. */
function next(how: Calling, consent: Consent | Promise<Consent>, said: JsonObject = accepted): Call {
  const { requestState } = awaitingIn(consent) as { requestState: string };
  const first = objectOf(textOf(calling(how)));
  return calling({
    ...how,
    params: encode({ ...first, requestState, inputResponses: { 'mcpd-confirm': said } }),
  });
}

const modern: Calling = { era: 'modern', args: { path: '/a' } };

describe('a question in the answer of its call', () => {
  it('is one form, and a state that only opens for the same call', () => {
    const { arrive } = house();
    const answer = awaitingIn(arrive(calling(modern)).consent);
    assert.deepEqual(Object.keys(answer), ['resultType', 'inputRequests', 'requestState']);
    assert.equal(answer['resultType'], 'input_required');
    const { method, params } = (answer['inputRequests'] as JsonObject)['mcpd-confirm'] as JsonObject;
    assert.equal(method, 'elicitation/create');
    assert.match((params as { message: string }).message, /arguments\."path" = "\/a"/);
  });

  it('comes back without a trace of ours, and goes', async () => {
    const { arrive } = house();
    const first = arrive(calling(modern));
    const { resumed, consent } = arrive(next(modern, first.consent));
    assert.deepEqual(await consent, { kind: 'approved', by: 'caller:alice' });
    assert.equal(textOf(resumed), textOf(calling(modern)));
    assert.deepEqual(resumed.params, objectOf(textOf(resumed)));
    assert.equal(resumed.approved, undefined);
  });

  it('answered with no is declined, and the same no again is asked anew', async () => {
    const { arrive } = house();
    const again = next(modern, arrive(calling(modern)).consent, { action: 'decline' });
    assert.equal((await arrive(again).consent).kind, 'declined');
    assert.equal((await arrive(again).consent).kind, 'awaiting');
  });

  it('sent twice lets one call go', async () => {
    const { arrive } = house();
    const again = next(modern, arrive(calling(modern)).consent);
    const kinds = [await arrive(again).consent, await arrive(again).consent].map(({ kind }) => kind);
    assert.deepEqual(kinds, ['approved', 'awaiting']);
  });

  it('is asked again after a restart, though the state still opens', async () => {
    const before = house();
    const again = next(modern, before.arrive(calling(modern)).consent);
    const after = house(before.key);
    assert.equal((await after.arrive(again).consent).kind, 'awaiting');
  });

  it('with other arguments, of another caller, at another server, or too late opens nothing', () => {
    const { arrive, pass } = house();
    const { consent } = arrive(calling(modern));
    for (const change of [{ args: { path: '/etc' } }, { who: 'eve' }, { server: 'mail' }, { tool: 'rm' }])
      assert.throws(() => arrive(next({ ...modern, ...change }, consent)), isStale);
    pass(5000);
    assert.throws(() => arrive(next(modern, consent)), isStale);
  });

  it('in the middle of a call of several rounds carries the server’s own state and answers through', async () => {
    const { rounds, arrive } = house();
    const yes = { kind: 'approved', by: 'ana', rule: 'writes' } as const;
    const first = calling(modern);
    for (const held of [undefined, 'a call']) {
      const text = encode({
        resultType: 'input_required',
        inputRequests: {},
        ...(held === undefined ? { requestState: 'theirs' } : {}),
      });
      rounds.resume(first);
      const { requestState } = objectOf(rounds.pause(first, { kind: 'result', text, held }, yes).text);
      const inputResponses = { q: { action: 'accept', content: { n: '\ud800' } } };
      const second = { ...objectOf(textOf(first)), requestState, inputResponses } as JsonObject;
      const bring = () => calling({ ...modern, params: encode(second) });
      // The first time the yes of the round before is good; the second time somebody has to be asked.
      assert.deepEqual(rounds.resume(bring()).approved, yes);
      const asked = arrive(bring());
      const state = awaitingIn(asked.consent)['requestState'] as string;
      const third = encode({
        ...objectOf(textOf(first)),
        inputResponses: { 'mcpd-confirm': accepted, x: {} },
        requestState: state,
      });
      const { resumed, consent } = arrive(calling({ ...modern, params: third }));
      assert.deepEqual(await consent, { kind: 'approved', by: 'caller:alice' });
      assert.equal(resumed.resumes, held);
      assert.equal(resumed.params['requestState'], held === undefined ? 'theirs' : undefined);
      assert.deepEqual(resumed.params['inputResponses'], inputResponses);
      assert.equal(member(textOf(resumed), ['inputResponses']), encode(inputResponses));
      assert.deepEqual(resumed.params, objectOf(textOf(resumed)));
    }
  });

  it('is not put where the state would be too long to come back', () => {
    const { rounds } = house();
    const pose = (state: string) => {
      const params = encode({ name: 'write', inputResponses: { a: {} }, requestState: state });
      return rounds.pose(calling({ ...modern, params }), { mark: 'm', until: 0, params: encode({}) });
    };
    assert.ok(pose('s'.repeat(1_048_567)) === undefined);
    assert.ok(pose('s'.repeat(1_048_566)) !== undefined);
  });

  it('opens as well where the policy takes something out of the call on its way in', async () => {
    const { rounds, ask } = house();
    const inward = (call: Call): Call => {
      const params = textOf(call).replace('/a', '[redacted]') as JsonText;
      return { ...call, params: objectOf(params), message: { ...call.message, params } as Call['message'] };
    };
    const consent = ask(inward(rounds.resume(calling(modern))), confirm([caller]));
    const again = inward(rounds.resume(next(modern, consent)));
    assert.equal((await ask(again, confirm([caller]))).kind, 'approved');
  });

  it('outlives the redactor, as a ticket does', async () => {
    const redactor = new Redactor();
    for (let run = 0; run < 50; run++) {
      const { arrive } = house();
      for (const channel of [caller, ticket]) {
        const { consent } = arrive(calling(modern), confirm([channel]));
        if (consent instanceof Promise || consent.kind !== 'awaiting') throw new Error('not sent back');
        assert.equal(redactor.clean(consent.answer.text), consent.answer.text);
      }
    }
  });
});

describe('a ticket that a call brings', () => {
  const permit = confirm([ticket]);
  const bring = (its: string, how: Calling = {}): Call =>
    calling({ ...how, args: { path: '/a', mcpd_ticket: its } });
  const plain = calling({ args: { path: '/a' } });

  it('is taken out of it in either era, and lets it go once', async () => {
    for (const era of ['legacy', 'modern'] as const) {
      const { arrive } = house();
      const first = calling({ era, args: { path: '/a' } });
      const given = ticketIn(arrive(first, permit).consent);
      const { resumed, consent } = arrive(bring(given, { era }), permit);
      assert.deepEqual(await consent, { kind: 'approved', by: 'ticket:alice' });
      assert.equal(textOf(resumed), textOf(first));
      assert.deepEqual(resumed.params, objectOf(textOf(first)));
      assert.equal((await arrive(bring(given, { era }), permit).consent).kind, 'awaiting');
    }
  });

  it('may come in _meta, for what has no arguments', async () => {
    const { arrive } = house();
    const given = ticketIn(arrive(plain, permit).consent);
    const { resumed, consent } = arrive(
      calling({ args: { path: '/a' }, meta: { 'mcpd/ticket': given } }),
      permit,
    );
    assert.equal((await consent).kind, 'approved');
    assert.equal(textOf(resumed).includes('ticket'), false);
  });

  it('is an argument of the tool’s own where it does not look like one of ours', () => {
    const { rounds } = house();
    const others: unknown[] = [
      'T-1',
      '',
      7,
      null,
      ['mcpd-ticket-' + 'a'.repeat(32)],
      'mcpd-ticket-' + 'A'.repeat(32),
      `mcpd-ticket-${'a'.repeat(32)}\n`,
    ];
    for (const other of others) {
      const call = bring(other as string);
      assert.equal(rounds.resume(call), call, JSON.stringify(other));
    }
    const reply = {
      ...plain,
      message: { kind: 'reply', id: 'c-1', answer: { kind: 'result', text: encode({}) } },
    } as const;
    assert.equal(rounds.resume(reply), reply);
  });

  it('leaves every other byte of the call as it stands', () => {
    const { rounds } = house();
    const its = 'mcpd-ticket-' + 'a'.repeat(32);
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 }), fc.nat(5), (args, at) => {
        const entries = Object.entries(args).filter(([key]) => key !== 'mcpd_ticket');
        const write = (all: [string, unknown][]) =>
          `{"name":"write","arguments":{${all.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}},"z":1.0}` as JsonText;
        const brought = rounds.resume(
          calling({ params: write([...entries.slice(0, at), ['mcpd_ticket', its], ...entries.slice(at)]) }),
        );
        assert.equal(textOf(brought), write(entries));
        assert.deepEqual(brought.params, objectOf(write(entries)));
        assert.deepEqual(brought.consent, { kind: 'ticket', ticket: its });
      }),
      { numRuns: 200 },
    );
  });

  it('is worth less than a question that the operator said no to', async () => {
    const { arrive, gate, last } = house();
    const both = confirm([operator, ticket]);
    const given = ticketIn(arrive(plain, both).consent);
    gate.answer(last().id, { verdict: 'deny', by: 'root' });
    assert.equal((await arrive(bring(given), both).consent).kind, 'declined');
  });
});

function isStale(reason: unknown): boolean {
  return reason instanceof Fault && reason.code === 'STALE_STATE';
}
