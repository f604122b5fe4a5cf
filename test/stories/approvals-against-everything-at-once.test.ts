// A yes and what would make it void come at the same moment, again and again: whichever is first, nothing goes out twice, nothing
// goes out unasked, and what anybody is told is what happened.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientKinds } from '../confirm/official.ts';
import { hasty, House, serverFile, ways, type Guest, type Held, type Way } from '../support/approvals.ts';
import { rule, until } from '../support/daemon.ts';

type Round = Held & { readonly way: Way; readonly mark: string };

describe('approvals against everything at once', () => {
  let house: House;
  before(async () => {
    house = await House.open();
  });
  afterEach(() => house.empty());
  after(async () => house.close());

  const hold = (guest: Guest, among: readonly Way[], tool = ({ tool }: Way) => tool): Promise<Round[]> =>
    Promise.all(
      among.map(async (way) => {
        const mark = randomUUID();
        return { way, mark, ...(await way.hold(house, guest, mark, tool(way))) };
      }),
    );

  /** What must be so however a race went. `yes`: what whoever said yes was told. */
  async function judge(
    { way, mark, end }: Round,
    yes: boolean | undefined,
    isCancelled: boolean,
  ): Promise<void> {
    const { went, text } = await end;
    const says = `${way.name}: ${String(yes)}, ${text}`;
    const sent = house.timesSent(mark);
    assert.ok(sent <= 1, says);
    if (went) assert.equal(sent, 1, says);
    if (yes === false) assert.equal(sent, 0, says);
    // Who does not wait for the answer is not told of it.
    if (!isCancelled && sent === 1) assert.ok(went, says);
  }

  /** Lets so many turns of the event loop pass. */
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  for (const kind of clientKinds) {
    it(`the caller cancels (${kind})`, async () => {
      const guest = await house.guest(kind);
      for (let round = 0; round < 16; round++) {
        const held = await hold(
          guest,
          ways.filter(({ name }) => name !== 'a ticket'),
        );
        const yeses = await Promise.all(
          held.map(async ({ yes, cancel }) => {
            const saying = turns(round % 4).then(yes);
            await turns(round % 7);
            cancel();
            return saying;
          }),
        );
        for (const [at, it] of held.entries()) await judge(it, yeses[at], true);
        for (const { way, yes } of held) assert.notEqual(await yes(), true, way.name);
      }
      await until('no question is left', async () => (await house.approvals()).length === 0);
      assert.equal(await guest.echo('well'), 'well');
    });

    it(`the time is over (${kind})`, async () => {
      const guest = await house.guest(kind);
      await Promise.all(
        [-30, -10, 0, 0, 10].map(async (aroundMs) => {
          const own = await house.guest(
            kind,
            'its own address',
            await house.daemon.addKey(`late${aroundMs}-${randomUUID().slice(0, 8)}`),
          );
          const held = await hold(own, ways, hasty);
          const yeses = await Promise.all(
            held.map(async ({ yes }) => {
              await new Promise((resolve) => setTimeout(resolve, 950 + aroundMs));
              return yes();
            }),
          );
          for (const [at, it] of held.entries()) {
            await judge(it, yeses[at], false);
            // A yes that was taken counts: there is no moment in which it is neither in time nor too late.
            if (yeses[at] === true) assert.ok((await it.end).went, it.way.name);
          }
        }),
      );
      assert.equal(await guest.echo('well'), 'well');
    });

    const strikes: readonly {
      what: string;
      strike: (round: number) => Promise<unknown>;
      after: () => Promise<unknown>;
    }[] = [
      {
        what: 'the operator switches the server off',
        strike: () => house.order('disable-server', { server: 'fx' }),
        after: () => house.order('enable-server', { server: 'fx' }),
      },
      {
        what: 'the policy changes',
        strike: async (round) => {
          house.daemon.write('servers/fx.toml', serverFile(rule('deny', [`none_${round}_${randomUUID()}`])));
          await house.order('reload');
        },
        after: async () => undefined,
      },
      {
        what: 'the server is restarted',
        strike: () => house.order('restart', { server: 'fx' }),
        after: async () => undefined,
      },
    ];
    for (const { what, strike, after: putBack } of strikes)
      it(`${what} (${kind})`, async () => {
        const guest = await house.guest(kind);
        for (let round = 0; round < 3; round++) {
          await until(
            'the server is there',
            async () => (await guest.echo('well').catch(() => '')) === 'well',
          );
          const held = await hold(guest, ways);
          const [, ...yeses] = await Promise.all([
            turns(round % 3).then(() => strike(round)),
            ...held.map(async ({ yes }, at) => {
              await turns((round + at) % 5);
              return yes();
            }),
          ]);
          await putBack();
          // A child that ends while it works does not say what it did.
          for (const [at, it] of held.entries()) await judge(it, yeses[at], true);
          for (const { way, yes } of held) assert.notEqual(await yes(), true, way.name);
          for (const { way, mark } of held) assert.ok(house.timesSent(mark) <= 1, way.name);
        }
        assert.deepEqual(await house.approvals(), []);
      });
  }
});
