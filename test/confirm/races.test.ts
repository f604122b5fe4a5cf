// What must hold whoever is asked, and how: a yes and everything that can come between it and its call.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Call } from '../../src/domain/call.ts';
import type { Confirmation, Consent } from '../../src/domain/decision.ts';
import { Halt } from '../../src/domain/halt.ts';
import { encode } from '../../src/protocol/codec.ts';
import {
  accepted,
  again,
  awaitingIn,
  calling,
  caller,
  confirm,
  formIn,
  operator,
  orders,
  reply,
  setUp,
  settled,
  ticket,
  ticketIn,
  webhook,
  withTicket,
  type Bench,
  type Calling,
  type Made,
} from './support.ts';

/** One way to be asked and to say yes; `yes` gives what the call, waiting or coming again, is told. */
type Way = {
  readonly name: string;
  readonly permit: Confirmation;
  readonly how: Calling;
  /** Whether the call waits, so that it can be stopped meanwhile. */
  readonly waits: boolean;
  readonly yes: (bench: Bench, call: Made, asking: unknown) => () => unknown;
};

const ways: readonly Way[] = [
  {
    name: 'the operator',
    permit: confirm([operator]),
    how: {},
    waits: true,
    yes: ({ gate, last }, _call, asking) => {
      const { id } = last();
      return () => (gate.answer(id, { verdict: 'approve', by: 'root' }), asking);
    },
  },
  {
    name: 'a webhook',
    permit: confirm([webhook('chat')]),
    how: {},
    waits: true,
    yes: ({ gate, notified }, _call, asking) => {
      const id = notified.at(-1)?.[1].id ?? '';
      return () => (gate.answer(id, { verdict: 'approve', by: 'webhook:chat/bob' }), asking);
    },
  },
  {
    name: 'the user of a legacy client',
    permit: confirm([caller]),
    how: {},
    waits: true,
    yes: ({ gate }, call, asking) => {
      const { id } = formIn(call);
      return () => (gate.hear(reply(call, id)), asking);
    },
  },
  {
    name: 'the user of a modern client',
    permit: confirm([caller]),
    how: { era: 'modern' },
    waits: false,
    yes: (bench, call) => {
      const mark = bench.mark();
      return () => bench.ask(again(call, mark), confirm([caller]));
    },
  },
  {
    name: 'a ticket',
    permit: confirm([ticket]),
    how: {},
    waits: false,
    yes: (bench, call, asking) => {
      const its = ticketIn(asking as Consent);
      return () => bench.ask(withTicket(call, its), confirm([ticket]));
    },
  },
];

/** What a call was told in the end, in a word; `asked again` where it was sent back once more. */
async function told(consent: unknown): Promise<string> {
  if (!(await settled(consent))) return 'waits';
  try {
    const { kind } = (await consent) as Consent;
    return kind === 'awaiting' ? 'asked again' : kind;
  } catch (reason) {
    return (reason as { code: string }).code;
  }
}

for (const way of ways) {
  describe(`a yes of ${way.name}`, () => {
    function begin(more: Calling = {}) {
      const bench = setUp();
      const call = calling({ ...way.how, ...more });
      const asking = bench.ask(call, way.permit);
      // A promise that nobody looks at yet may be rejected all the same.
      Promise.resolve(asking).catch(() => undefined);
      return { bench, call, asking, yes: way.yes(bench, call, asking) };
    }

    it('lets its call go, and says who gave it', async () => {
      const { yes } = begin();
      const consent = (await yes()) as Consent;
      assert.equal(consent.kind, 'approved');
      assert.match((consent as { by: string }).by, /^(root|webhook:chat\/bob|caller:alice|ticket:alice)$/);
    });

    it('works once, however often it is said', async () => {
      const { yes, bench } = begin();
      assert.equal(await told(yes()), 'approved');
      // Of a call that waited, the second yes finds nothing and the consent is the one from before.
      if (!way.waits) assert.equal(await told(yes()), 'asked again');
      assert.deepEqual(bench.gate.list(), []);
    });

    it('two at once let one call go', async () => {
      const { yes } = begin();
      if (way.waits) return assert.equal(yes(), yes());
      const both = await Promise.all([told(yes()), told(yes())]);
      assert.deepEqual(both.sort(), ['approved', 'asked again']);
    });

    it('a moment before the end is in time, at the end it is too late', async () => {
      const early = begin();
      early.bench.clock.now = 4999;
      assert.equal(await told(early.yes()), 'approved');
      const late = begin();
      late.bench.clock.now = 5000;
      assert.equal(await told(late.yes()), way.waits ? 'expired' : 'asked again');
    });

    it('after the end changes nothing, and leaves nothing behind', async () => {
      const { bench, yes } = begin();
      bench.pass(5000);
      assert.equal(bench.timers.size, 0);
      assert.equal(await told(yes()), way.waits ? 'expired' : 'asked again');
    });

    it('under another policy, or after a switch was thrown, is none', async () => {
      const { bench, yes } = begin();
      bench.world.version = 'v2';
      assert.equal(await told(yes()), way.waits ? 'ORDERS_CHANGED' : 'asked again');
      bench.world.version = 'v1';
      assert.notEqual(await told(yes()), 'approved');
    });

    it('for a tool whose definition changed is none', async () => {
      const { bench, yes } = begin();
      bench.world.binding = 'other@child';
      assert.equal(await told(yes()), way.waits ? 'ORDERS_CHANGED' : 'asked again');
      bench.world.binding = 'digest@child';
      assert.notEqual(await told(yes()), 'approved');
    });

    it('for a child that was restarted is none', async () => {
      const { bench, yes } = begin();
      bench.world.binding = 'digest@child-2';
      assert.equal(await told(yes()), way.waits ? 'ORDERS_CHANGED' : 'asked again');
    });

    it('for a child that had yet to start is one', async () => {
      const bench = setUp();
      bench.world.binding = 'digest@';
      const call = calling(way.how);
      const yes = way.yes(bench, call, bench.ask(call, way.permit));
      bench.world.binding = 'digest@child';
      assert.equal(await told(yes()), 'approved');
    });

    it('given while mcpd stops is none', async () => {
      const { bench, yes } = begin();
      bench.gate.drain();
      assert.equal(await told(yes()), way.waits ? 'declined' : 'cannot-ask');
      assert.equal(bench.timers.size, 0);
    });

    it('does not outlive a restart', async () => {
      const { bench, call, asking, yes } = begin();
      const fresh = setUp();
      if (way.waits) {
        // The call went down with its process; who answers in the next one answers nothing.
        const { id } = bench.gate.list()[0] ?? { id: '' };
        assert.deepEqual(fresh.gate.answer(id, { verdict: 'approve', by: 'root' }), { kind: 'unknown' });
        return;
      }
      const consent =
        way.name === 'a ticket' ? withTicket(call, ticketIn(asking)) : again(call, bench.mark());
      assert.equal(await told(fresh.ask(consent, way.permit)), 'asked again');
      assert.equal(await told(yes()), 'approved', 'where it was asked, it is good');
    });

    it('is not for the same call made again', async () => {
      const { bench, call, yes } = begin();
      assert.equal(await told(yes()), 'approved');
      const second = { ...calling(way.how), message: call.message, params: call.params };
      const asking = bench.ask(second, way.permit);
      assert.equal(await told(asking), way.waits ? 'waits' : 'asked again');
    });

    it('of a call that was stopped is none', async () => {
      const { bench, call, yes, asking } = begin();
      call.halt.call('cancelled by the caller');
      if (way.waits) {
        assert.equal(await told(asking), 'CANCELLED');
        assert.equal(await told(yes()), 'CANCELLED');
        assert.deepEqual([bench.gate.list().length, bench.timers.size], [0, 0]);
      } else {
        const stopped = { ...call, halt: new Halt() };
        stopped.halt.call('cancelled by the caller');
        assert.throws(() => bench.ask(stopped, way.permit), { code: 'CANCELLED' });
      }
    });

    it('comes too late for a call that was queued while the policy changed', () => {
      const { bench, call } = begin();
      bench.world.version = 'v2';
      const asking = () => bench.gate.ask({ ...call, halt: new Halt() }, way.permit, orders('v1'));
      assert.throws(asking, { code: 'ORDERS_CHANGED' });
    });
  });
}

describe('a yes that comes with the call', () => {
  const changes: readonly (readonly [string, Partial<Calling>, Partial<Call>])[] = [
    ['other arguments', { args: { token: 'other' } }, {}],
    ['more arguments', { args: { token: 'sk-secret', more: 1 } }, {}],
    ['another tool', { tool: 'delete' }, {}],
    ['another server', { server: 'mail' }, {}],
    ['another method', { method: 'prompts/get' }, {}],
    ['other answers to the server’s questions', {}, { resumes: 'held' }],
    ['another caller', { who: 'mallory' }, {}],
    ['something in _meta', { meta: { 'x/amount': 5 } }, {}],
  ];
  for (const [what, how, more] of changes) {
    for (const era of ['legacy', 'modern'] as const) {
      it(`is none with ${what} (${era})`, async () => {
        const bench = setUp();
        const permit = confirm([era === 'modern' ? caller : ticket]);
        const asked = bench.ask(calling({ era }), permit);
        const bring = (call: Call): Call =>
          era === 'modern' ? again(call, bench.mark()) : withTicket(call, ticketIn(asked));
        const changed = bring({ ...calling({ era, ...how }), ...more });
        const right = bring(calling({ era }));
        assert.equal(await told(bench.ask(changed, permit)), 'asked again');
        // Another caller cannot spoil it; its own, who tried it on another call, has to be asked anew.
        const owner = what === 'another caller' ? 'approved' : 'asked again';
        assert.equal(await told(bench.ask(right, permit)), owner);
      });
    }
  }

  it('is none under another rule', async () => {
    const bench = setUp();
    const given = ticketIn(bench.ask(calling(), confirm([ticket])));
    const other = { ...confirm([ticket]), rule: 'deletes' };
    assert.equal(await told(bench.ask(withTicket(calling(), given), other)), 'asked again');
  });

  it('is none in another session of the legacy era', async () => {
    const bench = setUp();
    const given = ticketIn(bench.ask(calling({ session: 'one' }), confirm([ticket])));
    const other = withTicket(calling({ session: 'two' }), given);
    assert.equal(await told(bench.ask(other, confirm([ticket]))), 'asked again');
  });

  it('is one whatever differs from request to request', async () => {
    const bench = setUp();
    void bench.ask(
      calling({ era: 'modern', meta: { progressToken: 1, traceparent: 'a' } }),
      confirm([caller]),
    );
    const next = calling({ era: 'modern', meta: { traceparent: 'b', progressToken: 'two' } });
    assert.equal(await told(bench.ask(again(next, bench.mark()), confirm([caller]))), 'approved');
  });

  it('is none with other answers to the server’s own questions, or another state of its', async () => {
    const withRound = (answer: string, state: string) =>
      calling({
        era: 'modern',
        params: encode({ name: 'write', inputResponses: { q: { answer } }, requestState: state }),
      });
    for (const [answer, state, kind] of [
      ['a', 's', 'approved'],
      ['b', 's', 'asked again'],
      ['a', 't', 'asked again'],
    ] as const) {
      const bench = setUp();
      const given = ticketIn(bench.ask(withRound('a', 's'), confirm([ticket])));
      assert.equal(
        await told(bench.ask(withTicket(withRound(answer, state), given), confirm([ticket]))),
        kind,
      );
    }
  });

  it('of one kind is none of the other', async () => {
    const bench = setUp();
    void bench.ask(calling({ era: 'modern' }), confirm([caller]));
    const asTicket = withTicket(calling({ era: 'modern' }), bench.mark());
    assert.equal(await told(bench.ask(asTicket, confirm([caller]))), 'asked again');
  });

  it('counts for nothing where nobody has to be asked any more', () => {
    const bench = setUp();
    const call = withTicket(calling(), 'whatever');
    const consent = bench.gate.ask(call, { ...confirm(), kind: 'allow' }, orders());
    assert.deepEqual(consent, { kind: 'approved', by: 'policy' });
  });

  it('is asked for anew when it is missing, and the question is the same', async () => {
    const bench = setUp();
    const call = calling({ era: 'modern' });
    void bench.ask(call, confirm([caller]));
    const mark = bench.mark();
    const silent = { ...again(call, mark), consent: { kind: 'answer', mark, said: undefined } as const };
    assert.equal(awaitingIn(bench.ask(silent, confirm([caller])))['mark'], mark);
    assert.equal(await told(bench.ask(again(call, mark), confirm([caller]))), 'approved');
  });
});

describe('a form in a message of its own', () => {
  it('answered from another session, by another caller or at another server, is not answered', async () => {
    const bench = setUp();
    const call = calling();
    const asking = bench.ask(call, confirm([caller]));
    const { id } = formIn(call);
    for (const how of [{ session: 'other' }, { who: 'mallory' }, { server: 'mail' }])
      bench.gate.hear(reply(call, id, accepted, how));
    for (const wrong of ['c-', 'c-1', 's-1', '__proto__']) bench.gate.hear(reply(call, wrong));
    assert.equal(await settled(asking), false);
    bench.gate.hear(reply(call, id));
    assert.deepEqual(await asking, { kind: 'approved', by: 'caller:alice' });
  });

  it('is answered by a ticked box, and by nothing else', async () => {
    const no: readonly object[] = [
      { action: 'decline' },
      { action: 'cancel' },
      { action: 'accept' },
      { action: 'accept', content: {} },
      { action: 'accept', content: { approve: false } },
      { action: 'accept', content: { approve: 'true' } },
      { action: 'accept', content: { approve: 1 } },
      { action: 'accept', content: [{ approve: true }] },
      { action: 'Accept', content: { approve: true } },
      { action: 'accept', content: { Approve: true } },
      { content: { approve: true } },
      JSON.parse('{"__proto__":{"action":"accept","content":{"approve":true}}}') as object,
      ['accept'],
      {},
    ];
    for (const result of no) {
      const bench = setUp();
      const call = calling();
      const asking = bench.ask(call, confirm([caller]));
      bench.gate.hear(reply(call, formIn(call).id, result as never));
      assert.equal(await told(asking), 'declined', JSON.stringify(result));
      const modern = calling({ era: 'modern' });
      void bench.ask(modern, confirm([caller]));
      const next = bench.ask(again(modern, bench.mark(), result as never), confirm([caller]));
      assert.equal(await told(next), 'declined', JSON.stringify(result));
    }
  });

  it('that the client could not show ends the wait, unless somebody else can answer', async () => {
    const alone = setUp();
    const call = calling();
    const asking = alone.ask(call, confirm([caller]));
    alone.gate.hear(reply(call, formIn(call).id, 'error'));
    assert.equal(await told(asking), 'cannot-ask');
    const both = setUp();
    const second = calling();
    const waiting = both.ask(second, confirm([caller, operator]));
    both.gate.hear(reply(second, formIn(second).id, 'error'));
    assert.equal(await settled(waiting), false);
    both.gate.answer(both.last().id, { verdict: 'approve', by: 'root' });
    assert.deepEqual(await waiting, { kind: 'approved', by: 'root' });
  });

  it('is taken back when the question is settled otherwise, and a late answer to it changes nothing', async () => {
    const endings: readonly ((bench: Bench, call: Made) => void)[] = [
      ({ gate, last }) => void gate.answer(last().id, { verdict: 'approve', by: 'root' }),
      ({ gate, last }) => void gate.answer(last().id, { verdict: 'deny', by: 'root' }),
      ({ pass }) => pass(5000),
      ({ gate }) => gate.drain(),
      (_bench, { halt }) => halt.call('cancelled by the caller'),
    ];
    for (const end of endings) {
      const bench = setUp();
      const call = calling();
      const asking = Promise.resolve(bench.ask(call, confirm([operator, caller])));
      asking.catch(() => undefined);
      const { id } = formIn(call);
      end(bench, call);
      assert.equal(await settled(asking), true);
      const before = await told(asking);
      assert.deepEqual(call.sent.at(-1)?.['method'], 'notifications/cancelled');
      assert.equal((call.sent.at(-1)?.['params'] as { requestId: string }).requestId, id);
      assert.equal(bench.gate.awaits(reply(call, id)), true, 'it must not reach a server');
      bench.gate.hear(reply(call, id));
      assert.equal(await told(asking), before);
    }
  });

  it('is ours by its id; what a server asked is not', () => {
    const { gate } = setUp();
    const call = calling();
    assert.equal(gate.awaits(reply(call, 's-1')), false);
    assert.equal(gate.awaits(reply(call, 'q-1')), false);
    assert.equal(gate.awaits(call), false);
    assert.equal(
      gate.awaits({ ...call, message: { ...reply(call, '').message, id: 7 } as Call['message'] }),
      false,
    );
  });

  it('cannot be sent to a client that is gone, and the call is told so', async () => {
    const bench = setUp();
    assert.equal(await told(bench.ask(calling({ gone: true }), confirm([caller]))), 'cannot-ask');
    assert.equal(bench.timers.size, 0);
  });
});
