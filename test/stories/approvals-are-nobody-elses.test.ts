// Tickets, states and leases pass through the hands of callers. In other hands, or for another call, they open nothing.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientKinds } from '../confirm/official.ts';
import { Caller } from '../rounds/caller.ts';
import { House, type Guest } from '../support/approvals.ts';

describe('approvals are nobody else’s', () => {
  let house: House;
  let mallorysKey: string;
  before(async () => {
    // One child for everybody: who calls, and from which session, is all that tells their calls apart.
    house = await House.open('sharing = "all"');
    mallorysKey = await house.daemon.addKey('mallory');
  });
  afterEach(() => house.empty());
  after(async () => house.close());

  for (const kind of clientKinds) {
    const strangers: readonly { who: string; guest: () => Promise<Guest> }[] = [
      {
        who: 'another caller',
        guest: () => house.guest(kind, 'its own address', mallorysKey),
      },
      {
        who: 'another caller by another door',
        guest: () => house.guest(kind, 'the address of all servers', mallorysKey),
      },
    ];
    for (const { who, guest: come } of strangers)
      it(`a ticket is worth nothing to ${who} (${kind})`, async () => {
        const mark = randomUUID();
        const guest = await house.guest(kind);
        const mcpd_ticket = await guest.ticket('by_ticket', mark);
        const stolen = await (await come()).call('by_ticket', mark, { mcpd_ticket });
        assert.match(stolen.text, /does not fit/);
        assert.equal(house.timesSent(mark), 0);
        // Whoever finds a ticket in a log cannot take it away from its owner either.
        assert.equal((await guest.call('by_ticket', mark, { mcpd_ticket })).went, true);
        assert.equal(house.timesSent(mark), 1);
      });

    it(`a ticket is worth nothing for another tool, for other arguments, or twice (${kind})`, async () => {
      const guest = await house.guest(kind);
      const swaps: readonly ((ticket: string, mark: string) => Promise<unknown>)[] = [
        (mcpd_ticket, mark) => guest.call('hasty_by_ticket', mark, { mcpd_ticket }),
        (mcpd_ticket, mark) => guest.call('by_ticket', `${mark}/..`, { mcpd_ticket }),
        (mcpd_ticket, mark) => guest.call('by_ticket', mark, { mcpd_ticket, recursive: true }),
        (mcpd_ticket, mark) => guest.call('by_ticket', mark, { mcpd_ticket, Path: 'x' }),
      ];
      for (const swap of swaps) {
        const mark = randomUUID();
        const ticket = await guest.ticket('by_ticket', mark);
        await swap(ticket, mark);
        // It was tried out, so it is void.
        assert.match((await guest.call('by_ticket', mark, { mcpd_ticket: ticket })).text, /does not fit/);
        assert.equal(house.timesSent(mark), 0);
      }
      const mark = randomUUID();
      const ticket = await guest.ticket('by_ticket', mark);
      assert.equal((await guest.call('by_ticket', mark, { mcpd_ticket: ticket })).went, true);
      assert.match((await guest.call('by_ticket', mark, { mcpd_ticket: ticket })).text, /does not fit/);
      assert.equal(house.timesSent(mark), 1);
    });

    it(`a ticket says nothing to a tool that asks somebody else (${kind})`, async () => {
      const mark = randomUUID();
      const guest = await house.guest(kind);
      const mcpd_ticket = await guest.ticket('by_ticket', mark);
      const call = guest.begin('by_operator', mark, { mcpd_ticket });
      const { id, argsText } = await house.question(mark, call);
      assert.doesNotMatch(argsText, /ticket-/);
      await house.says('deny', id);
      assert.match((await call.end).text, /^Not done/);
      assert.equal(house.timesSent(mark), 0);
    });

    it(`what one call is asked, another that looks the same is not answered with (${kind})`, async () => {
      const mark = randomUUID();
      const [ana, bob] = [await house.guest(kind), await house.guest(kind, 'its own address', mallorysKey)];
      const mine = ana.begin('by_user', mark);
      const theirs = bob.begin('by_user', mark);
      (await ana.form(mark, mine)).fill({ action: 'accept', content: { approve: true } });
      assert.equal((await mine.end).went, true);
      const form = await bob.form(mark, theirs);
      assert.equal(theirs.isOver(), false);
      assert.equal(house.timesSent(mark), 1);
      form.fill({ action: 'decline' });
      assert.equal((await theirs.end).went, false);
      assert.equal(house.timesSent(mark), 1);
    });
  }

  it('a ticket of one session is worth nothing in another, or to a client of the other era', async () => {
    for (const from of clientKinds)
      for (const to of clientKinds) {
        if (from === 'v2, modern era' && to === from) continue;
        const mark = randomUUID();
        const mcpd_ticket = await (await house.guest(from)).ticket('by_ticket', mark);
        const brought = await (await house.guest(to)).call('by_ticket', mark, { mcpd_ticket });
        assert.match(brought.text, /does not fit/, `${from} → ${to}`);
        assert.equal(house.timesSent(mark), 0);
      }
  });

  it('nobody else answers a question of a chat, and nobody answers one of the operator there', async () => {
    const guest = await house.guest('v1');
    const mark = randomUUID();
    const call = guest.begin('by_operator', mark);
    const { id } = await house.question(mark, call);
    assert.equal(await house.chat.answer(house.daemon, { id, verdict: 'approve', by: 'bob' }), 404);
    assert.equal(await house.chat.answer(house.daemon, { id, verdict: 'deny', by: 'bob' }), 404);
    assert.equal(call.isOver(), false);
    await house.says('deny', id);
    await call.end;

    const other = randomUUID();
    const asked = guest.begin('by_chat', other);
    const inChat = await house.askedInChat(other, asked);
    assert.equal(await house.says('approve', inChat), false);
    assert.equal(asked.isOver(), false);
    assert.equal(await house.bobSays('deny', inChat), true);
    await asked.end;
    assert.equal(house.timesSent(mark) + house.timesSent(other), 0);
  });

  it('one person is one approver, by whatever name and however often', async () => {
    const guest = await house.guest('v2, modern era');
    const mark = randomUUID();
    const call = guest.begin('by_two', mark);
    const id = await house.askedInChat(mark, call);
    for (const by of ['bob', 'BOB', 'bob'])
      assert.equal(await house.chat.answer(house.daemon, { id, verdict: 'approve', by }), 200, 'counted');
    for (const by of ['olivia, mallory', 'operator:olivia', ' bob', 'bob\u200b', 'bоb'])
      assert.equal(await house.chat.answer(house.daemon, { id, verdict: 'approve', by }), 400, by);
    assert.equal(call.isOver(), false);
    assert.equal(await house.chat.answer(house.daemon, { id, verdict: 'approve', by: 'carol' }), 200);
    assert.equal((await call.end).went, true);
    assert.equal(house.timesSent(mark), 1);
  });

  it('a state says yes to its own call at its own server only, and needs the answer that was asked for', async () => {
    const yes = { 'mcpd-confirm': { action: 'accept', content: { approve: true } } };
    const mark = randomUUID();
    const caller = new Caller(house.daemon, 'fx');
    const send = (params: object) =>
      caller.send('tools/call', { name: 'by_user', arguments: { path: mark }, ...params });
    const first = await send({});
    const requestState = first.result?.['requestState'] as string;
    const wrong: readonly object[] = [
      { inputResponses: yes },
      { requestState: '', inputResponses: yes },
      { requestState: requestState.slice(0, -2), inputResponses: yes },
      { requestState: requestState.toUpperCase(), inputResponses: yes },
      { requestState: [requestState], inputResponses: yes },
      { requestState, inputResponses: yes, name: 'hasty_by_user' },
      { requestState, inputResponses: yes, task: { ttl: 1000 } },
    ];
    for (const params of wrong) {
      const { result } = await send(params);
      assert.notEqual(result?.['resultType'], 'complete', JSON.stringify(params));
    }
    assert.equal(house.timesSent(mark), 0);
    // Nothing of that was the call itself, so the question still stands.
    assert.equal((await send({ requestState, inputResponses: yes })).result?.['resultType'], 'complete');
    assert.equal(house.timesSent(mark), 1);

    const nothingLike: readonly unknown[] = [
      {},
      { 'mcpd-confirm': true },
      { 'mcpd-confirm': { action: 'accept' } },
      { 'mcpd-confirm': { action: 'accept', content: { approve: 'true' } } },
      { 'mcpd-confirm': { action: 'accept', content: { approve: 1 } } },
      { 'mcpd-confirm': { action: 'accept', content: [{ approve: true }] } },
      { 'mcpd-confirm': { action: 'ACCEPT', content: { approve: true } } },
      { 'MCPD-CONFIRM': { action: 'accept', content: { approve: true } } },
      [{ action: 'accept', content: { approve: true } }],
    ];
    for (const inputResponses of nothingLike) {
      const again = await send({});
      const { result } = await send({ requestState: again.result?.['requestState'], inputResponses });
      assert.ok(
        result?.['isError'] === true || result?.['resultType'] !== 'complete',
        JSON.stringify(inputResponses),
      );
    }
    assert.equal(house.timesSent(mark), 1);
  });
});
