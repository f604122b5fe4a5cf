// Where the policy lets it, a yes is good for a while: for the same caller, tool and paths, under the same policy, and no longer.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientKinds } from '../confirm/official.ts';
import { House, serverFile, type Guest } from '../support/approvals.ts';
import { endNow, rule, until } from '../support/daemon.ts';

describe('approvals for a while', () => {
  let house: House;
  before(async () => {
    house = await House.open();
  });
  afterEach(() => house.empty());
  after(async () => house.close());

  const tool = 'for_a_while';
  type Args = Record<string, unknown>;

  /** Gives a guest a lease, by the operator or by the chat. */
  async function lease(guest: Guest, mark: string, args: Args, by: 'operator' | 'chat'): Promise<string> {
    const call = guest.begin(tool, mark, args);
    const { id } = await house.question(mark, call);
    if (by === 'operator')
      assert.equal((await house.order('approve', { id, for: '5m' }))['leaseMs'], 300_000);
    else {
      const said = { id, verdict: 'approve', by: 'bob', for: '5m' };
      await house.askedInChat(mark, call);
      assert.equal(await house.chat.answer(house.daemon, said), 200);
    }
    assert.equal((await call.end).went, true);
    return id;
  }

  /** Whether a call asks somebody; where it does, they say no. */
  async function asks(guest: Guest, mark: string, args: Args): Promise<boolean> {
    const call = guest.begin(tool, mark, args);
    let id: string | undefined;
    await until('it goes or asks', async () => {
      id = (await house.approvals())[0]?.id;
      return id !== undefined || call.isOver();
    });
    if (id !== undefined) await house.says('deny', id);
    assert.equal((await call.end).went, id === undefined, (await call.end).text);
    return id !== undefined;
  }

  for (const kind of clientKinds)
    it(`it is good for what is alike, and for nothing else (${kind})`, async () => {
      const guest = await house.guest(kind);
      const mark = randomUUID();
      const same = { deep: { er: [1, 2] } };
      await lease(guest, mark, { ...same, other: 1 }, kind === 'v1' ? 'chat' : 'operator');
      assert.equal(await asks(guest, mark, { ...same, other: 2, more: 'x' }), false);
      const unlike: readonly Args[] = [
        { deep: { er: [2, 1] } },
        { deep: { er: [1, 2, 3] } },
        { deep: { er: '[1,2]' } },
        { deep: { 'er ': [1, 2] } },
        { 'deep.er': [1, 2] },
        { deep: [{ er: [1, 2] }] },
        {},
      ];
      for (const args of unlike) assert.equal(await asks(guest, mark, args), true, JSON.stringify(args));
      assert.equal(await asks(guest, `${mark}/../x`, same), true);

      const strangers = [
        await house.guest(kind, 'its own address', await house.daemon.addKey(`s-${mark.slice(0, 8)}`)),
      ];
      // In the modern era there are no sessions that could differ.
      if (kind !== 'v2, modern era') strangers.push(await house.guest(kind));
      strangers.push(await house.guest(kind === 'v1' ? 'v2, modern era' : 'v1'));
      for (const stranger of strangers) assert.equal(await asks(stranger, mark, same), true);
      assert.equal(await asks(guest, mark, same), false);

      const by = (await house.daemon.audit('--tool', `fx/${tool}`)).map(
        ({ decision }) => (decision as { approvedBy?: string } | null)?.approvedBy,
      );
      const whose = kind === 'v1' ? 'webhook:chat/bob' : 'olivia';
      assert.ok(by.includes(whose) && by.includes(`lease: ${whose}`), String(by));
    });

  const ends: readonly { readonly what: string; readonly happens: (id: string) => Promise<unknown> }[] = [
    { what: 'it is ended', happens: (id) => house.order('end-lease', { id }) },
    {
      what: 'the tool is switched off and on',
      happens: async () => {
        await house.order('disable-tool', { tool: `fx/${tool}` });
        await house.order('enable-tool', { tool: `fx/${tool}` });
      },
    },
    {
      what: 'the policy changes',
      happens: async () => {
        house.daemon.write('servers/fx.toml', serverFile(rule('deny', [`none_${randomUUID()}`])));
        await house.order('reload');
      },
    },
    { what: 'the server is restarted', happens: () => house.order('restart', { server: 'fx' }) },
    {
      what: 'the server crashed',
      happens: async () => {
        const children = house.daemon.children();
        children.forEach(endNow);
        await until('they are gone', () => children.every((pid) => !house.daemon.children().includes(pid)));
      },
    },
  ];
  for (const kind of clientKinds)
    for (const { what, happens } of ends)
      it(`it ends when ${what} (${kind})`, async () => {
        const guest = await house.guest(kind);
        assert.equal(await guest.echo('here'), 'here');
        const mark = randomUUID();
        const id = await lease(guest, mark, {}, 'operator');
        assert.equal(await asks(guest, mark, {}), false);
        await happens(id);
        await until('the server is there', async () => (await guest.echo('back').catch(() => '')) === 'back');
        assert.equal(await asks(guest, mark, {}), true);
        assert.equal(house.timesSent(mark), 2);
      });

  it('nobody gives one where the policy does not let them', async () => {
    const guest = await house.guest('v1');
    const mark = randomUUID();
    const call = guest.begin('by_operator', mark);
    const { id } = await house.question(mark, call);
    await assert.rejects(house.order('approve', { id, for: '5m' }), /ANSWER_REFUSED/);
    assert.equal(call.isOver(), false);
    await house.says('deny', id);
    assert.equal((await call.end).went, false);

    const other = randomUUID();
    const longer = guest.begin(tool, other);
    const asked = await house.question(other, longer);
    // At most what the policy says, however much was given.
    assert.equal((await house.order('approve', { id: asked.id, for: '5h' }))['leaseMs'], 600_000);
    await longer.end;
  });
});
