import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Call } from '../../src/domain/call.ts';
import type { Consent } from '../../src/domain/decision.ts';
import { encode } from '../../src/protocol/codec.ts';
import {
  awaitingIn,
  caller,
  calling,
  confirm,
  formIn,
  operator,
  orders,
  reply,
  setUp,
  ticket,
  webhook,
  withTicket,
} from '../confirm/support.ts';

function ticketIn(consent: Consent | Promise<Consent>): string {
  const { _meta } = awaitingIn(consent);
  return (_meta as Record<string, string>)['mcpd/ticket'] ?? assert.fail();
}

describe('a call that comes back is not charged again, so', () => {
  it('one ticket brought by two calls at once does not get the second a new one for nothing', () => {
    const { gate, ask } = setUp();
    const permit = confirm([ticket]);
    const its = ticketIn(ask(calling(), permit));
    const [first, second] = [withTicket(calling(), its), withTicket(calling(), its)];
    // Both are told so before either is carried on: they stand in a line, or came in one batch.
    for (const call of [first, second]) assert.equal(gate.continues(call, permit, orders()), true);
    assert.deepEqual(ask(first, permit), { kind: 'approved', by: 'ticket:alice' });
    assert.throws(() => ask(second, permit), { code: 'STALE_STATE' });
    assert.deepEqual(gate.list(), []);
  });

  it('a ticket that ran out while its call stood in a line does not turn into a new question', () => {
    const { gate, ask, pass } = setUp();
    const permit = confirm([ticket]);
    const call = withTicket(calling(), ticketIn(ask(calling(), permit)));
    assert.equal(gate.continues(call, permit, orders()), true);
    pass(5000);
    assert.throws(() => ask(call, permit), { code: 'STALE_STATE' });
  });

  it('a lease does not keep a ticket good for call after call', async () => {
    const { gate, ask, last } = setUp();
    const permit = confirm([operator, ticket], { leaseMsMax: 60_000 });
    const its = ticketIn(ask(calling(), permit));
    const leased = ask(withTicket(calling(), 'mcpd-ticket-' + '0'.repeat(32)), permit);
    gate.answer(last().id, { verdict: 'approve', by: 'operator', forMs: 60_000 });
    assert.equal((await leased).kind, 'awaiting');
    const comes = (): Call => withTicket(calling(), its);
    const call = comes();
    assert.equal(gate.continues(call, permit, orders()), true);
    const consent = (await ask(call, permit)) as Extract<Consent, { kind: 'approved' }>;
    // It pays with what it brought, and not with the lease.
    assert.equal(consent.by, 'ticket:alice');
    assert.equal(gate.continues(comes(), permit, orders()), false);
  });
});

describe('two different approvers', () => {
  const permit = confirm([operator, webhook('chat'), webhook('desk')], { approvals: 2 });
  const yes = (by: string) => ({ verdict: 'approve', by }) as const;

  it('are not one person in two places', () => {
    const { gate, ask, last } = setUp();
    const waits = ask(calling(), permit) as Promise<Consent>;
    waits.catch(() => undefined);
    assert.equal(gate.answer(last().id, yes('webhook:chat/bob')).kind, 'counted');
    assert.equal(gate.answer(last().id, yes('webhook:desk/bob')).kind, 'counted');
    assert.equal(gate.answer(last().id, yes('webhook:desk/ann')).kind, 'taken');
  });

  it('are not the caller twice, once through its client and once in a chat', async () => {
    const { gate, ask, last } = setUp();
    const both = confirm([caller, webhook('chat'), operator], { approvals: 2 });
    const call = calling({ who: 'Alice' });
    const waits = ask(call, both) as Promise<Consent>;
    gate.hear(reply(call, formIn(call).id));
    assert.equal(gate.answer(last().id, yes('webhook:chat/alice')).kind, 'counted');
    assert.equal(gate.answer(last().id, yes('operator')).kind, 'taken');
    assert.equal((await waits).kind, 'approved');
  });
});

describe('what somebody outside is shown of a question', () => {
  it('holds no secret in the name of what is asked about either', () => {
    const { ask, notified } = setUp();
    const uri = 'https://files.example/?key=sk-secret';
    const call = {
      ...calling({ method: 'resources/read', params: encode({ uri }) }),
      target: { kind: 'resource', uri },
    } as const;
    void Promise.resolve(ask(call, confirm([webhook('chat')]))).catch(() => undefined);
    assert.equal(notified.length, 1);
    assert.doesNotMatch(JSON.stringify(notified), /sk-secret/);
    assert.match(JSON.stringify(notified), /files\.example/);
  });
});
