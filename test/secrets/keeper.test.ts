import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { SecretKeeper } from '../../src/secrets/keeper.ts';
import type { Answer, Provider } from '../../src/secrets/provider.ts';
import type { Uses } from '../../src/secrets/use-report.ts';
import { unavailable } from './scratch.ts';

/** A keeper whose clock, timers and places are in the hands of the test. */
class House {
  nowMs = 0;
  readonly told: string[] = [];
  /** Name → value; undefined: missing. */
  readonly vault = new Map<string, string>();
  /** References that wait until the test lets them go. */
  readonly held = new Map<string, PromiseWithResolvers<void>>();
  asked: string[] = [];
  readonly known = new Map<string, number>();
  #timers: { readonly at: number; readonly work: () => void }[] = [];
  readonly keeper: SecretKeeper;

  constructor() {
    this.keeper = new SecretKeeper({
      clock: { steadyMs: () => this.nowMs, wallMs: () => this.nowMs },
      providers: () =>
        new Map([
          ['vault', this.#provider('vault')],
          ['op', this.#provider('op')],
        ]),
      learn: (value) => {
        if (value.length < 6) return { kind: 'too-short' };
        this.known.set(value, (this.known.get(value) ?? 0) + 1);
        return { kind: 'learned' };
      },
      forget: (value) => {
        const left = (this.known.get(value) ?? 0) - 1;
        assert.ok(left >= 0 || value.length < 6, `${value} was forgotten more often than it was learnt`);
        if (left > 0) this.known.set(value, left);
        else this.known.delete(value);
      },
      restart: (server) => void this.told.push(`restart ${server}`),
      retry: (server) => void this.told.push(`retry ${server}`),
      log: (level, _fields, message) => void (level === 'warn' && this.told.push(message)),
      after: (ms, work) => {
        const timer = { at: this.nowMs + ms, work };
        this.#timers.push(timer);
        return () => void (this.#timers = this.#timers.filter((it) => it !== timer));
      },
    });
  }

  /** Lets so much time pass, and everything that is due in it happen. */
  async pass(ms: number): Promise<void> {
    const until = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((it) => it !== next);
      this.nowMs = next.at;
      next.work();
      await settled();
    }
    this.nowMs = until;
  }

  #provider(scheme: string): Provider {
    return {
      get: (references) =>
        Promise.all(
          references.map(async (reference): Promise<Answer> => {
            const name = 'name' in reference ? reference.name : 'rest' in reference ? reference.rest : '';
            this.asked.push(`${scheme}:${name}`);
            // What is there when it was asked; a change while it is on its way comes too late.
            const value = this.vault.get(name);
            await this.held.get(name)?.promise;
            if (value !== undefined) return { value };
            return {
              fault: new Fault('SECRET_UNAVAILABLE', { detail: 'there is none', hint: `set ${name}` }),
            };
          }),
        ),
    };
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const use = (reference: string, ttlMs?: number): Uses[string] => ({ reference, ttlMs });
const lingerMs = 60_000;

test('a server is given its values, and the redactor knows them before', async () => {
  const house = new House();
  house.vault.set('a', 'value-a').set('b', 'value-b');
  const values = await house.keeper.resolve('files', {
    A: use('vault:a'),
    B: use('op:b'),
    C: use('vault:a'),
  });
  assert.deepEqual(values, { A: 'value-a', B: 'value-b', C: 'value-a' });
  assert.deepEqual([...house.known.keys()].sort(), ['value-a', 'value-b']);
  assert.deepEqual(house.asked.sort(), ['op:b', 'vault:a'], 'each once');
});

test('children that start at once fetch once, and each start fetches anew', async () => {
  const house = new House();
  house.vault.set('a', 'value-a');
  house.held.set('a', Promise.withResolvers());
  const starts = ['files', 'files', 'other'].map((server) =>
    house.keeper.resolve(server, { A: use('vault:a') }),
  );
  house.held.get('a')?.resolve();
  assert.deepEqual(await Promise.all(starts), [{ A: 'value-a' }, { A: 'value-a' }, { A: 'value-a' }]);
  assert.deepEqual(house.asked, ['vault:a']);
  house.vault.set('a', 'value-2');
  assert.deepEqual(await house.keeper.resolve('files', { A: use('vault:a') }), { A: 'value-2' });
});

test('a place that takes its time holds up nobody who does not need it', async () => {
  const house = new House();
  house.vault.set('slow', 'value-s').set('a', 'value-a');
  house.held.set('slow', Promise.withResolvers());
  const slow = house.keeper.resolve('slow', { A: use('vault:a'), B: use('op:slow') });
  // The same secret, asked for by the slow one a moment before.
  assert.deepEqual(await house.keeper.resolve('quick', { A: use('vault:a') }), { A: 'value-a' });
  house.held.get('slow')?.resolve();
  assert.deepEqual(await slow, { A: 'value-a', B: 'value-s' });
});

test('a server that lacks a secret is told what to type, and started when it is there', async () => {
  const house = new House();
  const uses = { A: use('vault:a'), B: use('vault:b') };
  house.vault.set('b', 'value-b');
  house.keeper.apply(new Map([['files', uses]]));
  await assert.rejects(
    house.keeper.resolve('files', uses),
    unavailable(/^A = "vault:a": there is none$/, /^set a$/),
  );
  assert.deepEqual(
    house.keeper.report().map(({ variable, state }) => [variable, state]),
    [
      ['A', 'lacking'],
      ['B', 'idle'],
    ],
  );
  // It looks again with growing pauses, and quietly.
  await house.pass(10 * 60_000);
  const looks = house.asked.filter((it) => it === 'vault:a').length;
  assert.ok(looks > 4 && looks < 12, String(looks));
  assert.deepEqual(house.told, []);
  house.vault.set('a', 'value-a');
  await house.pass(5 * 60_000);
  assert.deepEqual(house.told, ['retry files']);
  await house.keeper.resolve('files', uses);
  await house.pass(60 * 60_000);
  assert.deepEqual(house.told, ['retry files'], 'and then it is left alone');
});

test('of several that are lacking, each has its own reason, and none has that of another', async () => {
  const house = new House();
  const uses = { A: use('vault:a'), B: use('op:b') };
  house.keeper.apply(new Map([['files', uses]]));
  await assert.rejects(house.keeper.resolve('files', uses));
  assert.deepEqual(
    house.keeper.report().map(({ because }) => because),
    ['A = "vault:a": there is none', 'B = "op:b": there is none'],
  );
});

test('setting it starts those who waited at once, and nobody else', async () => {
  const house = new House();
  house.vault.set('b', 'value-b');
  await house.keeper.resolve('runs', { B: use('vault:b') });
  await assert.rejects(house.keeper.resolve('waits', { A: use('vault:a') }));
  await assert.rejects(house.keeper.resolve('waits-for-another', { C: use('vault:c') }));
  house.vault.set('a', 'value-a');
  assert.deepEqual(await house.keeper.changed('vault:a', { restart: false }), {
    restarted: [],
    retried: ['waits'],
    untouched: [],
  });
  assert.deepEqual(house.told, ['retry waits']);
});

test('a rotation restarts those who hold the old value, and it is redacted until nobody does', async () => {
  const house = new House();
  house.vault.set('a', 'old-value').set('b', 'value-b');
  house.keeper.apply(
    new Map([
      ['one', { A: use('vault:a') }],
      ['two', { A: use('vault:a') }],
      ['three', { B: use('vault:b') }],
    ]),
  );
  const first = await house.keeper.resolve('one', { A: use('vault:a') });
  const second = await house.keeper.resolve('two', { A: use('vault:a') });
  await house.keeper.resolve('three', { B: use('vault:b') });
  house.vault.set('a', 'new-value');
  const change = await house.keeper.changed('vault:a', { restart: true });
  assert.deepEqual(change, { restarted: ['one', 'two'], retried: [], untouched: [] });
  assert.deepEqual(house.told, ['restart one', 'restart two']);
  assert.ok(house.known.has('old-value') && house.known.has('new-value'));
  house.keeper.release(first);
  await house.pass(2 * lingerMs);
  assert.ok(house.known.has('old-value'), 'the second still holds it');
  house.keeper.release(second);
  assert.ok(house.known.has('old-value'), 'its last answer may still be on the way');
  await house.pass(2 * lingerMs);
  assert.ok(!house.known.has('old-value'));
  assert.ok(house.known.has('new-value') && house.known.has('value-b'));
});

test('what came of a change is told by name, whoever started first', async () => {
  const house = new House();
  for (const server of ['seats', 'desk'])
    await assert.rejects(house.keeper.resolve(server, { A: use('vault:a') }));
  house.vault.set('a', 'old-value');
  const set = await house.keeper.changed('vault:a', { restart: true });
  assert.deepEqual(set, { restarted: [], retried: ['desk', 'seats'], untouched: [] });
  for (const server of ['seats', 'desk']) await house.keeper.resolve(server, { A: use('vault:a') });
  const same = await house.keeper.changed('vault:a', { restart: true });
  assert.deepEqual(same.untouched, ['desk', 'seats']);
  house.vault.set('a', 'new-value');
  const rotated = await house.keeper.changed('vault:a', { restart: true });
  assert.deepEqual(rotated.restarted, ['desk', 'seats']);
});

test('a value that nobody holds at the moment is still the value, and still redacted', async () => {
  const house = new House();
  house.vault.set('a', 'value-a');
  house.keeper.apply(new Map([['files', { A: use('vault:a') }]]));
  const given = await house.keeper.resolve('files', { A: use('vault:a') });
  house.keeper.release(given);
  house.keeper.release(given);
  await house.pass(2 * lingerMs);
  assert.equal(house.known.get('value-a'), 1);
  house.keeper.apply(new Map());
  await house.pass(2 * lingerMs);
  assert.deepEqual([...house.known], []);
});

test('the same value again restarts nobody', async () => {
  const house = new House();
  house.vault.set('a', 'value-a');
  await house.keeper.resolve('files', { A: use('vault:a') });
  const change = await house.keeper.changed('vault:a', { restart: true });
  assert.deepEqual(change, { restarted: [], retried: [], untouched: ['files'] });
});

test('a rotation to something that cannot be had restarts nobody and says why', async () => {
  const house = new House();
  house.vault.set('a', 'value-a');
  await house.keeper.resolve('files', { A: use('vault:a') });
  house.vault.delete('a');
  await assert.rejects(
    house.keeper.changed('vault:a', { restart: true }),
    unavailable(/^vault:a: there is none$/, /^set a$/),
  );
  assert.deepEqual(house.told, []);
  assert.ok(house.known.has('value-a'));
});

test('a value that was replaced while it was fetched is fetched again', async () => {
  const house = new House();
  house.vault.set('a', 'old-value');
  const gate = Promise.withResolvers<void>();
  house.held.set('a', gate);
  const start = house.keeper.resolve('files', { A: use('vault:a') });
  await settled();
  house.vault.set('a', 'new-value');
  await house.keeper.changed('vault:a', { restart: true });
  gate.resolve();
  assert.deepEqual(await start, { A: 'new-value' });
});

test('a value with a time to live is kept so long, then fetched again; a new one restarts its holders', async () => {
  const house = new House();
  const uses = { A: use('op:a', 60_000) };
  house.keeper.apply(new Map([['files', uses]]));
  house.vault.set('a', 'value-1');
  await house.keeper.resolve('files', uses);
  await house.pass(59_000);
  await house.keeper.resolve('files', uses);
  assert.equal(house.asked.length, 1, 'it is still good');
  await house.pass(62_000);
  assert.equal(house.asked.length, 3, 'fetched at each expiry');
  assert.deepEqual(house.told, []);
  house.vault.set('a', 'value-2');
  await house.pass(60_000);
  assert.deepEqual(house.told, ['restart files']);
  assert.deepEqual(await house.keeper.resolve('files', uses), { A: 'value-2' });
});

test('where it cannot be fetched again the old value stays in use, and it is tried with growing pauses', async () => {
  const house = new House();
  const uses = { A: use('op:a', 60_000) };
  house.keeper.apply(new Map([['files', uses]]));
  house.vault.set('a', 'value-1');
  await house.keeper.resolve('files', uses);
  house.vault.delete('a');
  await house.pass(60_000 + 20_000);
  const warned = house.told.length;
  assert.ok(warned >= 2 && warned <= 4, String(warned));
  assert.match(house.told[0] ?? '', /the old value stays in use/);
  house.vault.set('a', 'value-2');
  await house.pass(20_000);
  assert.deepEqual(house.told.slice(warned), ['restart files']);
});

test('a value with a time to live that nobody holds is not fetched', async () => {
  const house = new House();
  const uses = { A: use('op:a', 60_000) };
  house.keeper.apply(new Map([['files', uses]]));
  house.vault.set('a', 'value-1');
  house.keeper.release(await house.keeper.resolve('files', uses));
  await house.pass(60 * 60_000);
  assert.equal(house.asked.length, 1);
  await house.keeper.resolve('files', uses);
  assert.equal(house.asked.length, 2, 'it is over, so the next start fetches it');
});

test('a server that is gone waits for nothing', async () => {
  const house = new House();
  const uses = { A: use('vault:a') };
  house.keeper.apply(new Map([['files', uses]]));
  await assert.rejects(house.keeper.resolve('files', uses));
  house.keeper.apply(new Map());
  const { length } = house.asked;
  house.vault.set('a', 'value-a');
  await house.pass(60 * 60_000);
  assert.equal(house.asked.length, length);
  assert.deepEqual(house.told, []);
});

test('a value that is too short to be redacted is told, once', async () => {
  const house = new House();
  house.vault.set('a', 'abc');
  await house.keeper.resolve('files', { A: use('vault:a') });
  await house.keeper.resolve('files', { A: use('vault:a') });
  assert.deepEqual(house.told, ['a secret is too-short to be redacted from answers']);
});

test('when it is closed nothing happens any more', async () => {
  const house = new House();
  await assert.rejects(house.keeper.resolve('files', { A: use('vault:a') }));
  house.keeper.close();
  house.vault.set('a', 'value-a');
  await house.pass(60 * 60_000);
  assert.deepEqual(house.told, []);
});
