import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { Grant } from '../../src/domain/orders.ts';
import { carryOut } from '../../src/operate/commands.ts';
import { readSpan, spanText } from '../../src/operate/duration.ts';
import type { Database } from '../../src/files/database.ts';
import { sealPart } from '../../src/files/kept.ts';
import { changeGrants, grantLines } from '../../src/operate/grant-rows.ts';
import { readGrants } from '../../src/operate/grant-text.ts';
import { GrantStore, grantsMax } from '../../src/operate/grants.ts';
import { Refused, type Reply } from '../../src/operate/reply.ts';
import { breakState, mendState, stateIn } from '../support/state.ts';
import { FakePlane, visitor } from './plane.ts';

let dir = '';
let database: Database;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-grants-'));
  database = stateIn(dir);
});
afterEach(() => {
  database.close();
  rmSync(dir, { recursive: true, force: true });
});

/** What a daemon would find that starts now. */
const reopened = () => GrantStore.open(database);

const grantOf = (more: Partial<Grant> = {}): Grant => ({
  id: 'g1',
  caller: 'ana',
  server: 'files',
  tool: 'write_file',
  at: 1000,
  untilMs: 5000,
  by: 'ops',
  reason: '',
  ...more,
});

describe('the store of grants', () => {
  test('is empty where nothing was granted', () => {
    assert.deepEqual(reopened().current(), []);
  });

  test('keeps a grant over a restart', () => {
    assert.deepEqual(reopened().give(grantOf(), 1000), { durable: true });
    const again = reopened();
    assert.deepEqual([again.current(), again.changes()], [[grantOf()], 1]);
  });

  test('drops what ran out, to the millisecond', () => {
    const store = reopened();
    store.give(grantOf(), 1000);
    assert.equal(store.live(4999).length, 1);
    assert.equal(store.live(5000).length, 0);
    store.give(grantOf({ id: 'g2', caller: 'bob', untilMs: 9000 }), 5000);
    assert.deepEqual(
      store.current().map(({ id }) => id),
      ['g2'],
    );
  });

  test('has one grant for a caller and a tool: the last', () => {
    const store = reopened();
    store.give(grantOf(), 1000);
    store.give(grantOf({ id: 'g2', untilMs: 2000 }), 1000);
    store.give(grantOf({ id: 'g3', tool: 'read_file' }), 1000);
    assert.deepEqual(
      store.current().map(({ id }) => id),
      ['g2', 'g3'],
    );
  });

  test('gives nothing that is not on disk', () => {
    const store = reopened();
    breakState(dir);
    const saved = store.give(grantOf(), 1000);
    assert.equal(saved !== 'full' && saved.durable, false);
    assert.deepEqual([store.current(), store.changes()], [[], 0]);
  });

  test('takes back at once, whatever the disk says, and writes it down later', () => {
    const store = reopened();
    store.give(grantOf(), 1000);
    breakState(dir);
    assert.equal(store.take(grantOf(), 1000).durable, false);
    assert.deepEqual(store.current(), []);
    mendState(dir);
    assert.deepEqual(store.retry(), { durable: true });
    assert.deepEqual(reopened().current(), []);
  });

  test('is bounded; what ran out makes room', () => {
    const grants = Array.from({ length: grantsMax }, (_, at) => grantOf({ id: `g${at}`, caller: `c${at}` }));
    database.transaction(() => {
      changeGrants(database, [], grants);
      sealPart(database, 'grants', 1, grantLines(grants));
    });
    const full = reopened();
    assert.equal(full.give(grantOf({ id: 'x', caller: 'x' }), 1000), 'full');
    assert.deepEqual(full.give(grantOf({ id: 'x', caller: 'c1' }), 1000), { durable: true });
    assert.deepEqual(full.give(grantOf({ id: 'y', caller: 'y', untilMs: 9000 }), 5000), { durable: true });
  });

  const row = grantOf();
  for (const [what, text] of [
    ['nothing', ''],
    ['half of it', JSON.stringify({ version: 1, changes: 0, grants: [row] }).slice(0, -4)],
    ['another version', JSON.stringify({ version: 2, changes: 0, grants: [] })],
    ['a strange member', JSON.stringify({ version: 1, changes: 0, grants: [], more: 1 })],
    ['a grant for everybody', JSON.stringify({ version: 1, changes: 0, grants: [{ ...row, caller: '' }] })],
    ['a grant without end', JSON.stringify({ version: 1, changes: 0, grants: [{ ...row, untilMs: null }] })],
    [
      'a grant that knows more',
      JSON.stringify({ version: 1, changes: 0, grants: [{ ...row, tools: ['*'] }] }),
    ],
    ['two of one id', JSON.stringify({ version: 1, changes: 0, grants: [row, row] })],
  ] as const) {
    test(`is not taken over from a file of an older mcpd with ${what}`, () => {
      assert.throws(
        () => readGrants(Buffer.from(text), '/state/grants.json'),
        (fault: unknown) =>
          fault instanceof Fault && fault.code === 'CONFIG_INVALID' && /remove it/.test(fault.hint ?? ''),
      );
    });
  }

  for (const [what, values] of [
    ['for everybody', "'g1', '', 'files', 'x', 1, 2, 'ops', ''"],
    ['by nobody', "'g1', 'ana', 'files', 'x', 1, 2, '', ''"],
    ['that ends before 1970', "'g1', 'ana', 'files', 'x', 1, -2, 'ops', ''"],
    ['that never ends', "'g1', 'ana', 'files', 'x', 1, 9223372036854775807, 'ops', ''"],
  ] as const)
    test(`with a row ${what} stops the start`, () => {
      database.transaction(() =>
        database.run(
          `INSERT INTO grants (id, caller, server, tool, at, until_ms, by, reason) VALUES (${values})`,
        ),
      );
      assert.throws(reopened, (fault) => fault instanceof Fault && fault.code === 'CONFIG_INVALID');
    });

  test('keeps every name apart from every other', () => {
    const names = ['a', '"a"', '"', 'x\ud800', 'x\ud801', 'x\ufffd', 'a\0b', '__proto__'];
    const store = reopened();
    for (const [at, caller] of names.entries()) store.give(grantOf({ id: `g${at}`, caller }), 1000);
    assert.deepEqual(reopened().current(), store.current());
    assert.equal(reopened().current().length, names.length);
  });
});

describe('mcpd ctl grant', () => {
  let plane: FakePlane;
  beforeEach(() => (plane = new FakePlane(dir)));
  const order = (command: string, args: object = {}): Promise<Reply & Record<string, unknown>> =>
    carryOut(plane, { command, args, visitor: visitor('ops') });
  const code = (reply: Reply) => (reply.ok ? 'ok' : reply.error.code);
  const give = (more: object = {}) =>
    order('grant', { caller: 'ana', tool: 'files/write_file', for: '2h', ...more });

  test('is on disk, in the orders and on the journal when it answers', async () => {
    const reply = await give({ reason: 'ticket 12' });
    const [grant] = plane.ordersNow.grants;
    assert.match(grant?.id ?? '', /^g[0-9a-f]{10}$/);
    assert.deepEqual(grant, {
      id: grant?.id,
      caller: 'ana',
      server: 'files',
      tool: 'write_file',
      at: 1_800_000_000_000,
      untilMs: 1_800_007_200_000,
      by: 'ops',
      reason: 'ticket 12',
    });
    assert.deepEqual(reopened().current(), [grant]);
    assert.deepEqual(reply['grant'], {
      id: grant?.id,
      caller: 'ana',
      server: 'files',
      tool: 'write_file',
      at: '2027-01-15T08:00:00.000Z',
      until: '2027-01-15T10:00:00.000Z',
      leftMs: 7_200_000,
      for: '2h',
      by: 'ops',
      reason: 'ticket 12',
    });
    assert.deepEqual([reply['replaced'], reply['callerKnown'], reply['toolKnown']], [null, true, true]);
    assert.equal(plane.ordersNow.version, 'd1+1');
    assert.deepEqual(plane.told, ['record begun', 'orders d1+1', 'record done']);
    assert.deepEqual(plane.records[0]?.args, [
      'caller=ana',
      'tool=files/write_file',
      'for=2h',
      'reason=ticket 12',
    ]);
  });

  test('counts together with the switches, and neither undoes the other', async () => {
    await give();
    await order('disable-server', { server: 'memory' });
    assert.equal(plane.ordersNow.version, 'd1+2');
    assert.equal(plane.ordersNow.grants.length, 1);
    assert.ok(plane.ordersNow.switches.servers.has('memory'));
    await order('enable-server', { server: 'memory' });
    await order('revoke-grant', { grant: 'ana', tool: 'files/write_file' });
    assert.equal(plane.ordersNow.version, 'd1+4');
    assert.equal(plane.ordersNow.grants.length, 0);
  });

  test('again takes the place of the one before, shorter or longer', async () => {
    const first = (await give())['grant'] as { id: string };
    const again = await give({ for: '10m' });
    assert.equal(again['replaced'], first.id);
    assert.deepEqual(
      plane.ordersNow.grants.map(({ untilMs }) => untilMs),
      [1_800_000_600_000],
    );
  });

  test('names what it does not know, and what was perhaps meant', async () => {
    const reply = await give({ caller: 'anna', tool: 'files/write_fil' });
    assert.deepEqual(
      [reply.ok, reply['callerKnown'], reply['nearestCaller'], reply['toolKnown'], reply['nearestTool']],
      [true, false, 'ana', false, 'write_file'],
    );
  });

  for (const [what, args, expected] of [
    ['a pattern for a caller', { caller: '*' }, 'BAD_ARGUMENTS'],
    ['a pattern for a tool', { tool: 'files/*' }, 'BAD_ARGUMENTS'],
    ['a server alone', { tool: 'files' }, 'BAD_ARGUMENTS'],
    ['a server that there is not', { tool: 'fils/write_file' }, 'NOT_FOUND'],
    ['no end', { for: 'ever' }, 'BAD_ARGUMENTS'],
    ['an end that is now', { for: '0s' }, 'BAD_ARGUMENTS'],
    ['an end that is too far', { for: '91d' }, 'BAD_ARGUMENTS'],
    ['an end in the past', { for: '-2h' }, 'BAD_ARGUMENTS'],
  ] as const) {
    test(`refuses ${what}`, async () => {
      assert.equal(code(await give(args)), expected);
      assert.deepEqual([plane.ordersNow.grants, plane.grants.current()], [[], []]);
    });
  }

  test('is not given without the journal, or without the disk', async () => {
    plane.journalBroken = true;
    assert.equal(code(await give()), 'AUDIT_UNAVAILABLE');
    plane.journalBroken = false;
    breakState(dir);
    assert.equal(code(await give()), 'NOT_DURABLE');
    assert.deepEqual([plane.ordersNow.grants, plane.ordersNow.version], [[], 'd1+0']);
  });

  test('is taken back by its id, or by whose it is, at once and for good', async () => {
    const { id } = (await give())['grant'] as { id: string };
    await give({ caller: 'bob' });
    const reply = await order('revoke-grant', { grant: id.toUpperCase() });
    assert.equal(reply['changed'], true);
    assert.deepEqual(
      plane.ordersNow.grants.map(({ caller }) => caller),
      ['bob'],
    );
    assert.equal((await order('revoke-grant', { grant: 'bob', tool: 'files/read_file' }))['changed'], false);
    assert.equal((await order('revoke-grant', { grant: 'bob', tool: 'files/write_file' }))['changed'], true);
    assert.deepEqual([plane.ordersNow.grants, reopened().current()], [[], []]);
    assert.equal((await order('revoke-grant', { grant: id }))['changed'], false);
  });

  test('is taken back even when neither journal nor disk can be written, and says so', async () => {
    await give();
    plane.journalBroken = true;
    breakState(dir);
    const reply = await order('revoke-grant', { grant: 'ana', tool: 'files/write_file' });
    assert.equal(reply.ok, false);
    assert.deepEqual(plane.ordersNow.grants, []);
  });

  test('is listed until it has run out', async () => {
    await give({ for: '1h' });
    await give({ caller: 'bob', for: '10m' });
    const callers = async () =>
      ((await order('grants'))['grants'] as { caller: string }[]).map(({ caller }) => caller);
    assert.deepEqual(await callers(), ['bob', 'ana']);
    plane.nowMs += 600_000;
    assert.deepEqual(await callers(), ['ana']);
    plane.nowMs += 3_000_000;
    assert.deepEqual(await callers(), []);
  });
});

describe('a span of time', () => {
  for (const [text, ms] of [
    ['1s', 1000],
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
  ] as const) {
    test(`${text} is ${ms} ms`, () => assert.equal(readSpan(text, 1e9), ms));
  }

  test('is written back in the largest unit that fits', () =>
    assert.deepEqual([1500, 60_000, 90_000, 7_200_000, 86_400_000].map(spanText), [
      '2s',
      '1m',
      '90s',
      '2h',
      '1d',
    ]));

  for (const text of [
    '',
    '2',
    'h',
    '2 h',
    '2H',
    '02h',
    '0h',
    '1.5h',
    '1e1h',
    '2hh',
    '9999999d',
    '２h',
    '2h\n',
  ])
    test(`${JSON.stringify(text)} is none`, () => assert.throws(() => readSpan(text, 1e9), Refused));

  test('is bounded', () => {
    assert.equal(readSpan('10m', 600_000), 600_000);
    assert.throws(() => readSpan('601s', 600_000), Refused);
  });
});
