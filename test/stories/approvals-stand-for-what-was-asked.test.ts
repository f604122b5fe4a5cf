// Between a question and its yes the world may change. Then the yes is none, whoever gives it, and whatever client asked.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientKinds } from '../confirm/official.ts';
import { doors, hasty, House, serverFile, ways, type Held, type Way } from '../support/approvals.ts';
import { endNow, rule, until } from '../support/daemon.ts';

type Change = {
  readonly what: string;
  readonly tool: (way: Way) => string;
  /** `held`: the calls, all of which wait for somebody. */
  readonly happens: (house: House, held: readonly Held[]) => Promise<unknown>;
  /** What makes everything as it was: that brings no yes back to life. */
  readonly andBack?: (house: House) => Promise<unknown>;
  /** Whether it concerns a call that does not wait. */
  readonly reaches: (way: Way) => boolean;
};

const all = () => true;
const usual = ({ tool }: Way) => tool;
const eachTool = async (house: House, command: string) => {
  for (const { tool } of ways) await house.order(command, { tool: `fx/${tool}` });
};

const changes: readonly Change[] = [
  {
    what: 'the caller cancelled',
    tool: usual,
    happens: async (_house, held) => held.forEach(({ cancel }) => cancel()),
    // Nothing is under way that could be cancelled.
    reaches: ({ name }) => name !== 'a ticket',
  },
  {
    what: 'nobody answered in time',
    tool: hasty,
    // What does not wait runs out by itself: the deadline of the last one is the end of all.
    happens: () => new Promise((resolve) => setTimeout(resolve, 1_100)),
    reaches: all,
  },
  {
    what: 'the operator switched the tools off',
    tool: usual,
    happens: (house) => eachTool(house, 'disable-tool'),
    andBack: (house) => eachTool(house, 'enable-tool'),
    reaches: all,
  },
  {
    what: 'the operator switched the server off',
    tool: usual,
    happens: (house) => house.order('disable-server', { server: 'fx' }),
    andBack: (house) => house.order('enable-server', { server: 'fx' }),
    reaches: all,
  },
  {
    what: 'the operator switched the caller off',
    tool: usual,
    happens: (house) => house.order('disable-caller', { caller: 'tester' }),
    andBack: (house) => house.order('enable-caller', { caller: 'tester' }),
    reaches: all,
  },
  {
    what: 'a policy file was saved',
    tool: usual,
    // Another rule, about none of the calls: whether it could have mattered is nothing to guess at.
    happens: async (house) => {
      const version = async () => (await house.order('status'))['ordersVersion'];
      const before = await version();
      house.daemon.write('servers/fx.toml', serverFile(rule('deny', [`none_${randomUUID()}`])));
      await until('the policy is in force', async () => (await version()) !== before);
    },
    reaches: all,
  },
  {
    what: 'the server was restarted',
    tool: usual,
    happens: (house) => house.order('restart', { server: 'fx' }),
    reaches: all,
  },
  {
    what: 'the server crashed',
    tool: usual,
    happens: async (house) => {
      const children = house.daemon.children();
      assert.ok(children.length > 0);
      children.forEach(endNow);
    },
    reaches: all,
  },
];

const everything = doors.map((door) => ({ door, top: '', changes }));
/** Who shares a child is who loses it. */
const shared = ['principal', 'all'].map((sharing) => ({
  door: doors[0],
  top: `sharing = "${sharing}"`,
  changes: changes.filter(({ what }) => what.startsWith('the server ')),
}));

for (const { door = 'its own address', top, changes } of [...everything, ...shared])
  describe(`approvals stand for what was asked, at ${door} ${top}`.trim(), () => {
    let house: House;
    before(async () => {
      house = await House.open(top);
    });
    afterEach(() => house.empty());
    after(async () => house.close());

    for (const kind of clientKinds)
      for (const { what, tool, happens, andBack, reaches } of changes)
        it(`a yes is none when ${what} (${kind})`, async () => {
          const guest = await house.guest(kind, door);
          // The child of the session runs before anybody is asked.
          await guest.echo('here');
          const held = await Promise.all(
            ways.filter(reaches).map(async (way) => {
              const mark = randomUUID();
              return { way, mark, ...(await way.hold(house, guest, mark, tool(way))) };
            }),
          );
          await happens(house, held);
          // Nobody waits, or is asked any more, for an answer that would be worth nothing.
          for (const { way, end } of held)
            if (way.waits(kind)) {
              const { went, text } = await end;
              assert.equal(went, false, `${way.name}, before the yes`);
              assert.equal(/nobody agreed within/.test(text), tool === hasty, `${way.name}: ${text}`);
            }
          await until('no question is left', async () => (await house.approvals()).length === 0);
          await andBack?.(house);
          for (const { way, yes } of held) assert.notEqual(await yes(), true, way.name);
          for (const { way, mark, end } of held) {
            assert.equal((await end).went, false, way.name);
            assert.equal(house.timesSent(mark), 0, way.name);
          }

          // The tools are as good as before, and a new question gets a new answer.
          await until(
            'the server is there',
            async () => (await guest.echo('back').catch(() => '')) === 'back',
          );
          for (const way of ways) {
            const mark = randomUUID();
            const { yes, end } = await way.hold(house, guest, mark);
            await yes();
            assert.deepEqual(
              await end,
              { went: true, text: `called ${way.tool}` },
              `${way.name}, afterwards`,
            );
            assert.equal(house.timesSent(mark), 1, way.name);
          }
        });
  });
