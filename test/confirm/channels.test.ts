import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { leaseOf, stillNeeded } from '../../src/confirm/votes.ts';
import type { Call } from '../../src/domain/call.ts';
import type { Consent } from '../../src/domain/decision.ts';
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
} from './support.ts';

const reasonIn = (consent: unknown): string => {
  assert.equal((consent as Consent).kind, 'cannot-ask');
  return (consent as { reason: string }).reason;
};
const yes = (by: string, forMs?: number) => ({ verdict: 'approve', by, forMs }) as const;
const no = (by: string) => ({ verdict: 'deny', by }) as const;

describe('who is asked', () => {
  it('a user whose client cannot ask is not, and the caller is told what to do', () => {
    const { ask } = setUp();
    for (const era of ['legacy', 'modern'] as const)
      assert.match(
        reasonIn(ask(calling({ era, can: [] }), confirm([caller]))),
        /elicitation.*use one that can/,
      );
    const urls = calling({ era: 'modern', elicitation: { url: {} } });
    assert.match(reasonIn(ask(urls, confirm([caller]))), /elicitation/);
    const forms = calling({ era: 'modern', elicitation: { url: {}, form: {} } });
    assert.equal((ask(forms, confirm([caller])) as Consent).kind, 'awaiting');
  });

  it('in the modern era only about what may be answered with a question', () => {
    const { ask } = setUp();
    const call = calling({ era: 'modern', method: 'completion/complete' });
    assert.match(reasonIn(ask(call, confirm([caller]))), /nobody can be asked about completion\/complete/);
  });

  it('a user is shown the whole call or nothing: what is too long for a dialog goes to somebody else', () => {
    const { ask, gate } = setUp();
    const long = { args: { text: 'x'.repeat(20_000) } };
    assert.match(
      reasonIn(ask(calling(long), confirm([caller]))),
      /too long to be shown to your user .* operator/,
    );
    const call = calling(long);
    void ask(call, confirm([caller, operator]));
    assert.deepEqual(gate.list()[0]?.channels, ['operator']);
    assert.deepEqual(call.sent, []);
    const huge = calling({ args: { text: 'x'.repeat(80_000) } });
    assert.match(reasonIn(ask(huge, confirm([ticket]))), /too long to be shown to you/);
  });

  it('an operator is shown the whole call or nothing, too: two large ones must not hide all the others', () => {
    const { ask, gate } = setUp();
    const sized = (length: number) => calling({ args: { text: '"'.repeat(length) } });
    assert.match(reasonIn(ask(sized(140_000), confirm())), /too long to be shown to the operator .*shorter$/);
    void ask(sized(120_000), confirm());
    // What a form leaves out is on the operator's screen: the state of the server goes out as well.
    const state = calling({ params: encode({ name: 'write', requestState: 'x'.repeat(300_000) }) });
    assert.match(reasonIn(ask(state, confirm())), /too long to be shown to the operator/);
    void ask(sized(140_000), confirm([webhook('chat'), operator]));
    assert.deepEqual(
      gate.list().map(({ channels }) => channels),
      [['operator'], ['webhook:chat']],
    );
  });

  it('the form shows what goes out, escaped, without secrets', () => {
    const { ask } = setUp();
    const call = calling({ args: { token: 'sk-secret', text: 'a\u202eb\u001b[2J\nrule       none' } });
    void ask(call, confirm([caller]));
    const { message, requestedSchema } = formIn(call).params;
    assert.match(message, /^ {4}caller {5}alice$/m);
    assert.match(message, /arguments\."token" = "\[redacted\]"/);
    assert.match(message, /arguments\."text" = "a\\u202eb\\u001b\[2J\\nrule {7}none"/);
    assert.doesNotMatch(message, /sk-secret|\u202e|\u001b/);
    assert.deepEqual(requestedSchema['required'], ['approve']);
    assert.equal(JSON.stringify(requestedSchema).includes('default'), false);
  });

  it('a webhook is told once, and nobody else may answer for it', async () => {
    const { ask, gate, notified, asked } = setUp();
    const asking = ask(calling(), confirm([webhook('chat'), webhook('desk')]));
    assert.deepEqual(
      notified.map(([name]) => name),
      ['chat', 'desk'],
    );
    assert.deepEqual(asked, []);
    const id = notified[0]?.[1].id ?? '';
    assert.deepEqual(gate.answer(id, yes('webhook:other/eve')), { kind: 'unknown' });
    assert.equal(gate.answer(id, yes('root')).kind, 'refused');
    assert.equal(await settled(asking), false);
    assert.equal(gate.answer(id, yes('webhook:desk/ann')).kind, 'taken');
    assert.deepEqual(await asking, { kind: 'approved', by: 'webhook:desk/ann' });
  });

  it('a webhook that cannot be reached ends the wait, unless somebody else can answer', async () => {
    const { ask, gate, notified, last } = setUp();
    const alone = ask(calling(), confirm([webhook('chat')]));
    gate.unreachable(notified[0]?.[1].id ?? '', 'chat', 'the webhook chat cannot be reached');
    assert.deepEqual(await alone, { kind: 'cannot-ask', reason: 'the webhook chat cannot be reached' });
    const both = ask(calling(), confirm([operator, webhook('chat')]));
    gate.unreachable(last().id, 'chat', 'gone');
    assert.equal(await settled(both), false);
    gate.unreachable('nothing', 'chat', 'gone');
    gate.answer(last().id, yes('root'));
    assert.equal((await both).kind, 'approved');
  });

  it('a no of the operator is taken even where a yes is not', async () => {
    const { ask, gate, notified } = setUp();
    const asking = ask(calling(), confirm([webhook('chat')]));
    assert.equal(gate.answer(notified[0]?.[1].id ?? '', no('root')).kind, 'taken');
    assert.equal((await asking).kind, 'declined');
  });

  it('a rule that names nobody lets nothing through', () => {
    const { ask } = setUp();
    assert.match(reasonIn(ask(calling(), confirm([]))), /nobody to ask/);
  });

  it('where the operator can answer, too, the call of a modern client comes again and takes the answer along', async () => {
    const { ask, gate, last, mark } = setUp();
    const permit = confirm([operator, caller]);
    const call = calling({ era: 'modern' });
    const said: [(id: string) => unknown, object | undefined, string][] = [
      [(id) => gate.answer(id, yes('root')), undefined, 'approved'],
      [(id) => gate.answer(id, yes('root')), accepted, 'approved'],
      [(id) => gate.answer(id, yes('root')), { action: 'decline' }, 'declined'],
      [(id) => gate.answer(id, no('root')), accepted, 'declined'],
    ];
    for (const [act, result, kind] of said) {
      assert.equal((ask(call, permit) as Consent).kind, 'awaiting');
      act(last().id);
      const next = {
        ...again(call, mark()),
        consent: { kind: 'answer', mark: mark(), said: result },
      } as never;
      assert.equal((await ask(next, permit)).kind, kind);
      assert.equal((await ask(next, permit)).kind, 'awaiting', 'and once');
      gate.answer(last().id, no('root'));
    }
  });
});

describe('dual control', () => {
  const two = (...channels: Parameters<typeof confirm>[0] & object[]) => confirm(channels, { approvals: 2 });

  it('needs two, and the same one twice is one', async () => {
    const { ask, gate, last } = setUp();
    const asking = ask(calling(), two(operator, webhook('chat')));
    const { id } = last();
    const first = gate.answer(id, yes('root'));
    assert.deepEqual(
      [first.kind, 'still' in first && first.still, 'changed' in first && first.changed],
      ['counted', 1, true],
    );
    const twice = gate.answer(id, yes('root'));
    assert.equal('changed' in twice && twice.changed, false);
    assert.deepEqual(gate.list()[0]?.approvedBy, ['root']);
    assert.equal(await settled(asking), false);
    assert.equal(gate.answer(id, yes('webhook:chat/bob')).kind, 'taken');
    assert.deepEqual(await asking, { kind: 'approved', by: 'root, webhook:chat/bob' });
  });

  it('ends with one no, whoever said yes before', async () => {
    const { ask, gate, last } = setUp();
    const asking = ask(calling(), two(operator));
    gate.answer(last().id, yes('root'));
    gate.answer(last().id, no('ann'));
    assert.deepEqual(await asking, { kind: 'declined', by: 'ann', reason: '' });
    assert.deepEqual(gate.answer(last().id, yes('bob')), { kind: 'already', ending: 'declined', by: 'ann' });
  });

  it('counts the caller’s own user as one, in either era', async () => {
    const legacy = setUp();
    const call = calling();
    const asking = legacy.ask(call, two(caller, operator));
    const { id } = formIn(call);
    legacy.gate.hear(reply(call, id));
    legacy.gate.hear(reply(call, id));
    assert.equal(await settled(asking), false);
    legacy.gate.answer(legacy.last().id, yes('root'));
    assert.deepEqual(await asking, { kind: 'approved', by: 'caller:alice, root' });

    const modern = setUp();
    const permit = two(caller, operator);
    const coming = calling({ era: 'modern' });
    void modern.ask(coming, permit);
    const next = again(coming, modern.mark());
    const waiting = modern.ask(next, permit);
    assert.equal(await settled(waiting), false);
    // The same state sent twice does not count twice, and does not get at the yes of the first.
    assert.equal((modern.ask(again(coming, modern.mark()), permit) as Consent).kind, 'awaiting');
    modern.gate.answer(modern.gate.list()[0]?.id ?? '', yes('root'));
    assert.deepEqual(await waiting, { kind: 'approved', by: 'caller:alice, root' });
  });

  it('counts no yes of the caller where the rule does not ask the caller, by whatever way it comes', async () => {
    const { ask, gate, last } = setUp();
    const asking = ask(calling({ who: 'Ana' }), two(operator, webhook('chat')));
    const { id } = last();
    for (const own of ['webhook:chat/ana', 'ana', 'ANA']) {
      const answered = gate.answer(id, yes(own));
      assert.match(
        answered.kind === 'refused' ? answered.reason : '',
        /2 .*none of them is its caller's/,
        own,
      );
    }
    assert.deepEqual(gate.list()[0]?.approvedBy, []);
    // Somebody who only says that they are somebody else is one like all who do; who says that they are the caller is believed.
    assert.equal(gate.answer(id, { ...yes('ana'), person: 'whoever holds the token' }).kind, 'refused');
    assert.equal(gate.answer(id, yes('webhook:chat/bob')).kind, 'counted');
    assert.equal(gate.answer(id, yes('root')).kind, 'taken');
    assert.deepEqual(await asking, { kind: 'approved', by: 'webhook:chat/bob, root' });
  });

  it('takes the no of the caller all the same, and the yes where one is enough or the rule asks them', async () => {
    const { ask, gate, last } = setUp();
    const declined = ask(calling({ who: 'ana' }), two(webhook('chat')));
    assert.equal(gate.list().length, 1);
    assert.equal(gate.answer(gate.list()[0]?.id ?? '', no('webhook:chat/ana')).kind, 'taken');
    assert.equal((await declined).kind, 'declined');
    void ask(calling({ who: 'ana' }), confirm([operator]));
    assert.equal(gate.answer(last().id, yes('ana')).kind, 'taken');
    void ask(calling({ who: 'ana' }), two(operator, caller));
    assert.equal(gate.answer(last().id, yes('ana')).kind, 'counted');
  });

  it('waits with the call that came again, and ends with it', async () => {
    const bench = setUp();
    const permit = two(caller, operator);
    void bench.ask(calling({ era: 'modern' }), permit);
    const next = { ...calling({ era: 'modern', meta: { progressToken: 7 } }) };
    const waiting = bench.ask({ ...next, consent: again(next, bench.mark()).consent as never }, permit);
    assert.equal(next.sent[0]?.['method'], 'notifications/progress');
    next.halt.call('the caller went away');
    await assert.rejects(Promise.resolve(waiting), { code: 'CANCELLED' });
    assert.deepEqual(bench.gate.answer(bench.last().id, yes('root')), {
      kind: 'already',
      ending: 'withdrawn',
      by: undefined,
    });
  });

  it('is refused at once where two could never be found', async () => {
    const { ask, gate, notified } = setUp();
    assert.match(reasonIn(ask(calling(), two(caller))), /2 different approvers/);
    assert.match(reasonIn(ask(calling(), two(ticket))), /a ticket does not count/);
    const call = calling();
    const asking = ask(call, two(caller, webhook('chat')));
    gate.hear(reply(call, formIn(call).id));
    gate.unreachable(notified[0]?.[1].id ?? '', 'chat', 'gone');
    assert.equal((await asking).kind, 'cannot-ask');
  });
});

describe('a yes for further calls', () => {
  const lasting = confirm([operator], { leaseMsMax: 60_000, leaseSame: ['path', 'a.*.b'] });
  const args = (path: string, more: object = {}) => ({ args: { path, a: [{ b: 1 }], n: 1, ...more } });

  async function lease(bench = setUp(), forMs = 60_000) {
    const asking = bench.ask(calling(args('/a')), lasting);
    const answered = bench.gate.answer(bench.last().id, yes('root', forMs));
    assert.equal((await asking).kind, 'approved');
    return { ...bench, answered };
  }

  it('lets like calls go until it ends, and not others', async () => {
    const { ask, pass, gate } = await lease(setUp({ perCallerMax: 50 }));
    assert.deepEqual(ask(calling(args('/a', { n: 2 })), lasting), { kind: 'approved', by: 'lease: root' });
    const others = [
      args('/b'),
      args('/a', { a: [{ b: 2 }] }),
      args('/a', { a: 'x' }),
      { args: { a: [{ b: 1 }] } },
      { ...args('/a'), who: 'bob' },
      { ...args('/a'), session: 't' },
      { ...args('/a'), server: 'mail' },
      { ...args('/a'), tool: 'delete' },
      { ...args('/a'), method: 'prompts/get' },
    ];
    for (const other of others)
      assert.ok(ask(calling(other), lasting) instanceof Promise, JSON.stringify(other));
    assert.ok(ask(calling(args('/a')), { ...lasting, rule: 'others' }) instanceof Promise);
    gate.list().forEach(({ id }) => gate.answer(id, no('root')));
    pass(59_999);
    assert.equal((ask(calling(args('/a')), lasting) as Consent).kind, 'approved');
    pass(1);
    assert.ok(ask(calling(args('/a')), lasting) instanceof Promise);
  });

  it('tells two lists apart where a path leads through them', async () => {
    const alike = await lease();
    assert.ok(alike.ask(calling(args('/a', { PATH: '/b' })), lasting) instanceof Promise);
    const through = confirm([operator], { leaseMsMax: 60_000, leaseSame: ['items.path'] });
    const { ask, gate, last } = setUp();
    void ask(calling({ args: { items: [{ path: '/a' }] } }), through);
    gate.answer(last().id, yes('root', 1000));
    assert.equal((ask(calling({ args: { items: [{ path: '/a' }] } }), through) as Consent).kind, 'approved');
    assert.ok(ask(calling({ args: { items: [{ path: '/etc' }] } }), through) instanceof Promise);
    assert.ok(ask(calling({ args: { items: { path: '/a' } } }), through) instanceof Promise);
  });

  it('is no longer than the policy lets it be, and none where that is nothing', async () => {
    const { answered, gate } = await lease(setUp(), 3_600_000);
    assert.equal('leaseMs' in answered && answered.leaseMs, 60_000);
    assert.equal(gate.leases()[0]?.expiresAt, 1_060_000);
    const plain = setUp();
    const asking = plain.ask(calling(), confirm());
    const refused = plain.gate.answer(plain.last().id, yes('root', 1000));
    // A rule is named in a sentence of the owner's: without its quotes nobody sees where it ends.
    assert.match(refused.kind === 'refused' ? refused.reason : '', /^the rule "[^"]+" lets nobody say yes/);
    assert.equal(await settled(asking), false, 'the question still waits');
    assert.equal(plain.gate.answer(plain.last().id, yes('root')).kind, 'taken');
  });

  it('ends with the policy, the definition, the child, a stop, or a word of the operator', async () => {
    const ends: readonly ((bench: Awaited<ReturnType<typeof lease>>) => unknown)[] = [
      ({ world }) => (world.version = 'v2'),
      ({ world }) => (world.binding = 'other@child'),
      ({ world }) => (world.binding = 'digest@child-2'),
      ({ gate }) =>
        assert.equal(
          gate.endLeases(({ caller: who }) => who === 'alice'),
          1,
        ),
    ];
    for (const end of ends) {
      const bench = await lease();
      end(bench);
      assert.ok(bench.ask(calling(args('/a')), lasting) instanceof Promise);
    }
    const drained = await lease();
    drained.gate.drain();
    assert.deepEqual(drained.gate.leases(), []);
    const changed = await lease();
    changed.world.version = 'v2';
    assert.deepEqual(changed.gate.leases(), []);
  });

  it('needs everybody whose yes was needed, and lasts as long as the shortest', async () => {
    const { ask, gate, last } = setUp();
    const two = confirm([operator], { approvals: 2, leaseMsMax: 60_000 });
    void ask(calling(), two);
    gate.answer(last().id, yes('root', 9000));
    const answered = gate.answer(last().id, yes('ann'));
    assert.equal('leaseMs' in answered && answered.leaseMs, 0);
    assert.ok(ask(calling(), two) instanceof Promise);
    gate.answer(last().id, yes('root', 9000));
    gate.answer(last().id, yes('ann', 4000));
    assert.equal(gate.leases()[0]?.by, 'root, ann');
    assert.equal(gate.leases()[0]?.expiresAt, 1_004_000);
  });

  it('does not overrule the no of the user whose call it was given for', async () => {
    const either = confirm([caller, operator], { leaseMsMax: 60_000 });
    const { ask, gate, last, mark } = setUp();
    const call = calling({ era: 'modern' });
    void ask(call, either);
    const its = mark();
    gate.answer(last().id, yes('root', 60_000));
    assert.equal(gate.leases().length, 1);
    const said = (consent: Consent | Promise<Consent>) =>
      consent instanceof Promise ? 'waits' : consent.kind;
    assert.equal(said(ask(again(call, its, { action: 'decline' }), either)), 'declined');
    // The question is gone by now; a no that is said once more is no yes either.
    assert.equal(said(ask(again(call, its, { action: 'decline' }), either)), 'awaiting');
    assert.equal(said(ask(calling({ era: 'modern' }), either)), 'approved');
  });

  it('does not overrule the no of an operator to a question that waited when it was given', async () => {
    const either = confirm([caller, operator], { leaseMsMax: 60_000 });
    const { ask, gate, last, mark } = setUp();
    const call = calling({ era: 'modern' });
    void ask(call, either);
    const its = mark();
    gate.answer(last().id, no('root'));
    void ask(calling({ era: 'modern' }), either);
    gate.answer(last().id, yes('root', 60_000));
    assert.equal((ask(again(call, its), either) as Consent).kind, 'declined');
  });

  it('lets one question pay for one call, however often its state is sent at once', () => {
    const either = confirm([caller, operator], { leaseMsMax: 60_000 });
    const { ask, gate, last, mark } = setUp();
    const call = calling({ era: 'modern' });
    void ask(call, either);
    const its = mark();
    gate.answer(last().id, yes('root', 60_000));
    const sent = [1, 2, 3].map(() => again(call, its));
    // All of them stand in line with the one question, and none was charged.
    for (const it of sent) assert.ok(gate.continues(it, either, orders()));
    assert.equal((ask(sent[0] as Call, either) as Consent).kind, 'approved');
    for (const it of sent.slice(1)) assert.throws(() => ask(it, either), { code: 'STALE_STATE' });
  });

  it('is not asked where a user says no to a question with which a call waits already', async () => {
    const two = confirm([caller, operator], { approvals: 2, leaseMsMax: 60_000 });
    const { ask, mark } = setUp();
    const call = calling({ era: 'modern' });
    void ask(call, two);
    const its = mark();
    const waiting = ask(again(call, its), two);
    assert.equal(await settled(waiting), false);
    assert.equal((ask(again(call, its, { action: 'decline' }), two) as Consent).kind, 'declined');
    assert.equal((await waiting).kind, 'declined');
  });

  it('shows what it is for, without secrets', async () => {
    const { gate } = await lease();
    const [{ same, target, rule } = assert.fail()] = gate.leases();
    assert.deepEqual([same[0], target, rule], [['path', '"/a"'], '{"kind":"tool","name":"write"}', 'writes']);
  });

  it('is one of a bounded number', async () => {
    const { ask, gate, last } = setUp();
    const any = confirm([operator], { leaseMsMax: 60_000, leaseSame: ['n'] });
    for (let n = 0; n < 1005; n++) {
      void ask(calling({ args: { n } }), any);
      gate.answer(last().id, yes('root', 60_000));
    }
    assert.equal(gate.leases().length, 1000);
  });
});

describe('a ticket', () => {
  it('says what would be done and how to have it done, in a result that is no error', () => {
    const { ask, posed } = setUp();
    const result = awaitingIn(ask(calling({ args: { path: '/a', token: 'sk-secret' } }), confirm([ticket])));
    const [{ text } = assert.fail()] = result['content'] as [{ text: string }];
    const meta = result['_meta'] as Record<string, string>;
    assert.equal(result['isError'], false);
    assert.equal('resultType' in result, false);
    assert.match(meta['mcpd/ticket'] ?? '', /^mcpd-ticket-[0-9a-f]{32}$/);
    assert.equal(meta['mcpd/expiresAt'], new Date(1_005_000).toISOString());
    assert.ok(text.includes(`"mcpd_ticket": "${meta['mcpd/ticket']}"`));
    assert.match(text, /within 5 s/);
    assert.match(text, /arguments\."path" = "\/a"/);
    assert.doesNotMatch(text, /sk-secret/);
    assert.deepEqual(posed, []);
    const modern = awaitingIn(ask(calling({ era: 'modern' }), confirm([ticket])));
    assert.equal(modern['resultType'], 'complete');
  });

  it('for something that is no tool comes in an error, where its caller looks', () => {
    const { ask } = setUp();
    const call = { ...calling({ method: 'prompts/get' }), target: { kind: 'prompt', name: 'p' } } as const;
    const consent = ask(call, confirm([ticket])) as Consent;
    assert.equal(consent.kind === 'awaiting' && consent.answer.kind, 'error');
    const error = awaitingIn(consent);
    assert.match((error['data'] as Record<string, string>)['mcpd/ticket'] ?? '', /^mcpd-ticket-/);
  });

  it('continues the call that it was given for, until it is spent, and no other', () => {
    const { ask, gate } = setUp();
    const permit = confirm([ticket]);
    const first = ask(calling(), permit);
    const brings = (call: Call) => gate.continues(withTicket(call, ticketIn(first)), permit, orders());
    assert.equal(gate.continues(calling(), permit, orders()), false);
    assert.equal(brings(calling()), true);
    assert.equal(brings(calling({ args: { path: '/other' } })), false);
    assert.equal(brings(calling({ who: 'eve' })), false);
    // To ask this spends nothing.
    assert.deepEqual(ask(withTicket(calling(), ticketIn(first)), permit), {
      kind: 'approved',
      by: 'ticket:alice',
    });
    assert.equal(brings(calling()), false);
  });

  it('that is worth nothing brings another, and says so', () => {
    const { ask } = setUp();
    const first = ask(calling(), confirm([ticket]));
    const old = withTicket(calling(), 'mcpd-ticket-' + '0'.repeat(32));
    const second = ask(old, confirm([ticket]));
    assert.notEqual(ticketIn(first), ticketIn(second));
    assert.match(JSON.stringify(awaitingIn(second)['content']), /The ticket does not fit this call/);
    assert.doesNotMatch(JSON.stringify(awaitingIn(first)['content']), /does not fit/);
  });

  it('fits where the arguments are none, and empty ones came back', async () => {
    const { ask } = setUp();
    const none = { params: '{"name":"write"}' as never };
    const given = ticketIn(ask(calling(none), confirm([ticket])));
    const next = withTicket(calling({ args: {} }), given);
    assert.deepEqual(await ask(next, confirm([ticket])), { kind: 'approved', by: 'ticket:alice' });
  });

  it('is not given where the user can be asked instead', () => {
    const { ask, posed } = setUp();
    void ask(calling({ era: 'modern' }), confirm([ticket, caller]));
    assert.equal(posed.length, 1);
    assert.ok(ticketIn(ask(calling({ era: 'modern', can: [] }), confirm([ticket, caller]))));
  });
});

describe('a flood', () => {
  it('of calls that are sent back costs the oldest of the same caller only', async () => {
    const { ask, timers } = setUp();
    const own = ticketIn(ask(calling({ who: 'bob' }), confirm([ticket])));
    const given = [...Array(200).keys()].map((n) =>
      ticketIn(ask(calling({ args: { n } }), confirm([ticket]))),
    );
    assert.ok(timers.size <= 66, `${timers.size} timers`);
    const bring = (n: number) => ask(withTicket(calling({ args: { n } }), given[n] ?? ''), confirm([ticket]));
    assert.equal((await bring(199)).kind, 'approved');
    assert.equal((await bring(0)).kind, 'awaiting');
    const bobs = await ask(withTicket(calling({ who: 'bob' }), own), confirm([ticket]));
    assert.equal(bobs.kind, 'approved');
  });

  it('of calls that wait is refused, and those that end make room', async () => {
    const { ask, gate } = setUp({ perCallerMax: 3, pendingMax: 5 });
    for (const era of ['legacy', 'modern', 'legacy'] as const)
      void ask(calling({ era }), confirm([operator, caller]));
    assert.match(reasonIn(ask(calling({ era: 'modern' }), confirm([operator, caller]))), /your calls/);
    void ask(calling({ who: 'bob' }), confirm());
    void ask(calling({ who: 'bob' }), confirm([caller]));
    assert.match(reasonIn(ask(calling({ who: 'eve' }), confirm())), /Too many questions/);
    for (const { id } of gate.list()) gate.answer(id, no('root'));
    assert.ok(ask(calling({ who: 'eve' }), confirm()) instanceof Promise);
  });
});

test('of questions that ended long ago nobody knows how', async () => {
  const { ask, gate, last } = setUp();
  const ids: string[] = [];
  for (let count = 0; count < 1001; count++) {
    void ask(calling(), confirm());
    ids.push(last().id);
    gate.answer(last().id, no('root'));
  }
  assert.deepEqual(gate.answer(ids[0] ?? '', yes('root')), { kind: 'unknown' });
  assert.equal(gate.answer(ids[1] ?? '', yes('root')).kind, 'already');
});

test('what waits in vain is told so when somebody looks', async () => {
  const { ask, gate, world, timers } = setUp();
  const asking = Promise.resolve(ask(calling(), confirm([operator, caller])));
  asking.catch(() => undefined);
  gate.recheck();
  assert.equal(await settled(asking), false);
  world.version = 'v2';
  gate.recheck();
  await assert.rejects(asking, { code: 'ORDERS_CHANGED' });
  assert.deepEqual([gate.list().length, timers.size], [0, 0]);
});

test('approvers are counted by who they are', () => {
  const votes = ['a', 'a', 'b'].map((by) => ({ by, forMs: 1 }));
  assert.deepEqual(
    [0, 1, 2, 3].map((count) => stillNeeded(votes.slice(0, count), 2)),
    [2, 1, 1, 0],
  );
  assert.equal(leaseOf([], 5), 0);
});

describe('a caller that waits', () => {
  const progressOf = (sent: readonly Record<string, unknown>[]) =>
    sent
      .filter(({ method }) => method === 'notifications/progress')
      .map(({ params }) => params as { progressToken: unknown; progress: number; message: string });

  it('hears that it does, where it asked to, more often than clients give up', async () => {
    const { ask, pass, last, gate, timers } = setUp();
    const call = calling({ meta: { progressToken: 'tok' } });
    const asking = ask(call, confirm([operator, webhook('chat')], { answerWithinMs: 55_000 }));
    for (let second = 0; second < 54; second++) pass(1000);
    const told = progressOf(call.sent);
    assert.equal(told.length, 6);
    assert.ok(told.every(({ progressToken }) => progressToken === 'tok'));
    const { id } = last();
    assert.equal(
      told[0]?.message,
      `waiting for a yes from the operator or the people behind chat (id ${id})`,
    );
    const values = told.map(({ progress }) => progress);
    assert.deepEqual(
      values,
      [...values].sort((a, b) => a - b),
    );
    assert.equal(new Set(values).size, values.length);
    assert.ok(
      values.every((value) => value < 0),
      'what the server says later begins at 0',
    );
    gate.answer(id, yes('root'));
    await asking;
    pass(60_000);
    assert.equal(progressOf(call.sent).length, 6);
    assert.equal(timers.size, 0);
  });

  it('hears nothing where it did not ask, or asked with no token', () => {
    for (const meta of [{}, { progressToken: null }, { progressToken: {} }, { progressToken: 1.5 }]) {
      const { ask } = setUp();
      const call = calling({ meta: meta });
      void ask(call, confirm());
      assert.deepEqual(call.sent, []);
    }
  });

  it('that cannot be reached is not written to for ever', () => {
    const { ask, timers } = setUp();
    void ask(calling({ gone: true, meta: { progressToken: 1 } }), confirm());
    assert.equal(timers.size, 1, 'only the end of the question');
  });
});

test('what the tool does stands in the question, in its owner’s words', () => {
  const { gate, last } = setUp();
  const pattern = { text: 'write*', test: (name: string) => name.startsWith('write') };
  const tools = [{ text: { effect: 'Overwrites the file.' }, pattern, args: [] }];
  const its = { version: 'v1', servers: new Map([['files', { tools }]]) } as never;
  void gate.ask(calling(), confirm(), its);
  assert.equal(last().effect, 'Overwrites the file.');
});
