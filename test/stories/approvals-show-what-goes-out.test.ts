// Whoever is asked sees what will go out, to the byte; a yes lets that go out, once; a no lets nothing; and the record says who.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientKinds } from '../confirm/official.ts';
import { until } from '../support/daemon.ts';
import { doors, House, wayNamed, ways } from '../support/approvals.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
/** Escapes, a line that looks like ours, text that runs backwards, half a pair of surrogates, and digits. */
const hostile = '\u001b[2J\nrule       harmless\u202egnp.exe \ud83d" ![x](http://h/i.png) \\';

describe('approvals show what goes out', () => {
  let house: House;
  before(async () => {
    house = await House.open();
  });
  afterEach(() => house.empty());
  after(async () => house.close());

  for (const door of doors)
    for (const kind of clientKinds)
      describe(`${kind}, at ${door}`, () => {
        for (const way of ways) {
          it(`a yes of ${way.name} lets one call go`, async () => {
            const mark = randomUUID();
            const guest = await house.guest(kind, door);
            const held = await way.hold(house, guest, mark);
            assert.equal(await guest.echo('meanwhile'), 'meanwhile');
            assert.equal(house.timesSent(mark), 0);
            await held.yes();
            assert.deepEqual(await held.end, { went: true, text: `called ${way.tool}` });
            const { name, arguments: args } = house.sent(mark);
            assert.deepEqual([name, args], [way.tool, { path: mark }]);
            // Said once more, it is worth nothing.
            assert.notEqual(await held.yes(), true);
            assert.equal(await guest.echo('afterwards'), 'afterwards');
            assert.equal(house.timesSent(mark), 1);
          });

          it(`two yeses of ${way.name} at once let one call go`, async () => {
            const mark = randomUUID();
            const guest = await house.guest(kind, door);
            const held = await way.hold(house, guest, mark);
            const told = await Promise.all([held.yes(), held.yes(), held.yes()]);
            assert.ok(told.filter((it) => it === true).length <= 1);
            assert.equal((await held.end).went, true);
            assert.equal(await guest.echo('afterwards'), 'afterwards');
            assert.equal(house.timesSent(mark), 1);
          });
        }

        it('who waits and asked for progress is told at once, and it only rises', async () => {
          const guest = await house.guest(kind, door);
          for (const way of ways.filter(({ waits }) => waits(kind))) {
            const mark = randomUUID();
            const told: number[] = [];
            const call = guest.begin(way.tool, mark, {}, (progress) => told.push(progress));
            await until('something is told', () => told.length > 0);
            assert.equal(call.isOver(), false);
            assert.ok(
              told.every((it, at) => it < 0 && it > (told[at - 1] ?? -Infinity)),
              String(told),
            );
            call.cancel();
            await call.end;
            assert.equal(house.timesSent(mark), 0);
          }
          await until('no question is left', async () => (await house.approvals()).length === 0);
        });

        it('a no of whoever is asked lets nothing go, and a yes after it neither', async () => {
          const guest = await house.guest(kind, door);
          for (const way of ways) {
            const mark = randomUUID();
            const { no, yes, end } = await way.hold(house, guest, mark);
            if (no === undefined) continue;
            await no();
            assert.match((await end).text, /^Not done/, way.name);
            assert.notEqual(await yes(), true, way.name);
            assert.equal(await guest.echo('afterwards'), 'afterwards');
            assert.equal(house.timesSent(mark), 0, way.name);
          }
        });

        it('of a yes and a no at once, one counts', async () => {
          const guest = await house.guest(kind, door);
          for (const name of ['the operator', 'a chat', 'two different people'])
            for (const yesFirst of [true, false]) {
              const mark = randomUUID();
              const { no, yes, end } = await wayNamed(name).hold(house, guest, mark);
              assert.ok(no !== undefined);
              const [agreed, refused] = yesFirst
                ? await Promise.all([yes(), no()])
                : (await Promise.all([no(), yes()])).reverse();
              assert.notEqual(agreed, refused, name);
              const { went } = await end;
              assert.equal(went, agreed, name);
              assert.equal(house.timesSent(mark), went ? 1 : 0, name);
            }
        });

        it('nothing that stands in the arguments is hidden from who is asked, or can pass for something of ours', async () => {
          const guest = await house.guest(kind, door);
          const args = { note: hostile, list: [1, { deep: [] }], ['\u202ekey\n']: null };
          const mark = randomUUID();
          const call = guest.begin('by_user', mark, args);
          const form = await guest.form(mark, call);
          form.fill({ action: 'decline' });
          const ticket = await guest.begin('by_ticket', mark, args).end;
          for (const text of [form.message, ticket.text]) {
            assert.match(text, /"list"\s?=\s?\[1,\{"deep":\[\]\}\]/, text);
            assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u);
            assert.doesNotMatch(text, /[\ud800-\udfff]/u);
            assert.equal(text.split('\n').filter((line) => /^\s*rule\s/.test(line)).length, 1);
            // Every line of it stands in a block, so that no client fetches a picture from it.
            for (const line of text.split('\n')) if (line.includes('h/i.png')) assert.match(line, /^ {4}/);
          }
          await call.end;
        });

        it('what is shown, what is bound and what goes out is one text', async () => {
          const guest = await house.guest(kind, door);
          const args = { amount: 0.1, list: [1, { deep: [] }], text: hostile.replace('\ud83d', '') };
          const shas: string[] = [];
          for (const tool of ['by_user', 'by_ticket', 'by_operator'] as const) {
            const mark = randomUUID();
            let shown = '';
            let call;
            if (tool === 'by_ticket') {
              const first = await guest.begin(tool, mark, args).end;
              shown = first.text;
              call = guest.begin(tool, mark, { ...args, mcpd_ticket: /mcpd-ticket-\w+/.exec(shown)?.[0] });
            } else {
              call = guest.begin(tool, mark, args);
              if (tool === 'by_user') {
                const form = await guest.form(mark, call);
                shown = form.message;
                form.fill({ action: 'accept', content: { approve: true } });
              } else {
                const question = await house.question(mark, call);
                shown = `sha256 ${question.argsSha256}`;
                assert.equal(sha256(question.argsText), question.argsSha256);
                await house.says('approve', question.id);
                const { _meta, ...sent } = house.sentNow(mark, await call.end);
                const { _meta: _alsoShown, ...asked } = JSON.parse(question.argsText) as Record<
                  string,
                  unknown
                >;
                assert.deepEqual(sent, asked);
                continue;
              }
            }
            const { _meta, ...sent } = house.sentNow(mark, await call.end);
            assert.deepEqual(sent['arguments'], { path: mark, ...args });
            const { name, arguments: given } = sent;
            shas.push(tool);
            assert.ok(
              shown.includes(`sha256 ${sha256(JSON.stringify({ name, arguments: given }))}`),
              `${tool}: ${shown}`,
            );
          }
          assert.deepEqual(shas, ['by_user', 'by_ticket']);
        });

        it('the record says who asked, who said yes and who said no', async () => {
          const caller = `${door === 'its own address' ? 'own' : 'hall'}-${clientKinds.indexOf(kind)}`;
          const guest = await house.guest(kind, door, await house.daemon.addKey(caller));
          for (const way of ways) {
            const agreed = await way.hold(house, guest, randomUUID());
            await agreed.yes();
            assert.equal((await agreed.end).went, true, way.name);
            const refused = await way.hold(house, guest, randomUUID());
            await refused.no?.();
            if (refused.no !== undefined) await refused.end;
          }
          const records = await house.daemon.audit('--caller', caller);
          for (const way of ways) {
            const mine = records.filter(
              ({ target }) => (target as { name?: string } | null)?.name === way.tool,
            );
            const by = mine.flatMap(({ decision }) => (decision as { approvedBy?: string }).approvedBy ?? []);
            assert.deepEqual(by, [way.approvedBy.replace('tester', caller)], way.name);
            const refusedBy = mine.flatMap(({ declinedBy }) => (declinedBy as string | undefined) ?? []);
            const wanted = {
              by_user: [`caller:${caller}`],
              by_operator: ['olivia'],
              by_ticket: [] as string[],
            };
            assert.deepEqual(
              refusedBy,
              wanted[way.tool as keyof typeof wanted] ?? ['webhook:chat/bob'],
              way.name,
            );
          }
          const { stdout } = await house.daemon.mcpd(['audit', 'query', '--caller', caller]);
          assert.match(stdout, /fx\/by_operator\s+confirm "confirm by_operator" by olivia\s+answered/);
          assert.match(stdout, /fx\/by_user\s+confirm "confirm by_user" by caller:/);
        });
      });
});
