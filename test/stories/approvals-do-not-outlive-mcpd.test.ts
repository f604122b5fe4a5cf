// mcpd is killed while people think, and starts again: what was asked is forgotten, so nothing goes out that nobody was asked
// about anew; what was agreed to before is on record.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientKinds } from '../confirm/official.ts';
import { House, wayNamed, ways } from '../support/approvals.ts';

describe('approvals do not outlive mcpd', () => {
  let house: House;
  before(async () => {
    house = await House.open();
  });
  afterEach(() => house.empty());
  after(async () => house.close());

  for (const signal of ['SIGKILL', 'SIGTERM'] as const)
    for (const kind of clientKinds)
      it(`after ${signal} nothing that was asked before can be answered (${kind})`, async () => {
        const guest = await house.guest(kind);
        const agreed = randomUUID();
        const first = await wayNamed('the operator').hold(house, guest, agreed);
        assert.equal(await house.says('approve', first.id ?? ''), true);
        assert.equal((await first.end).went, true);
        const lasting = randomUUID();
        const leased = guest.begin('for_a_while', lasting);
        await house.order('approve', { id: (await house.question(lasting, leased)).id, for: '10m' });
        assert.equal((await leased.end).went, true);
        assert.equal((await guest.call('for_a_while', lasting)).went, true);

        const held = await Promise.all(
          ways.map(async (way) => {
            const mark = randomUUID();
            return { way, mark, ...(await way.hold(house, guest, mark)) };
          }),
        );
        const ended = house.daemon.end(signal);
        await ended;
        await house.daemon.boot();
        assert.deepEqual(await house.approvals(), []);
        assert.deepEqual((await house.order('leases'))['leases'], []);

        for (const { way, id, yes } of held) {
          // A client may have lost its connection, and then it cannot even come back.
          assert.notEqual(
            await Promise.race([yes(), new Promise((resolve) => setTimeout(resolve, 200))]),
            true,
            way.name,
          );
          if (id !== undefined) assert.equal(await house.says('approve', id), false, way.name);
        }
        const back = await house.guest(kind);
        assert.equal(await back.echo('well'), 'well');
        const again = back.begin('for_a_while', lasting);
        await house.says('deny', (await house.question(lasting, again)).id);
        assert.equal((await again.end).went, false);
        for (const { way, mark } of held) assert.equal(house.timesSent(mark), 0, way.name);
        assert.equal(house.timesSent(agreed), 1);
        assert.equal(house.timesSent(lasting), 2);

        const records = await house.daemon.audit('--caller', 'tester', '--tool', 'fx/by_operator');
        const by = records.flatMap(
          ({ decision }) => (decision as { approvedBy?: string } | null)?.approvedBy ?? [],
        );
        assert.ok(by.length > 0 && by.every((it) => it === 'olivia'), String(by));
      });
});
