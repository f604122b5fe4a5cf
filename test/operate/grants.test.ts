import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { Grant } from '../../src/domain/orders.ts';
import { carryOut } from '../../src/operate/commands.ts';
import { readSpan, spanText } from '../../src/operate/duration.ts';
import { GrantStore, grantsMax } from '../../src/operate/grants.ts';
import { Refused, type Reply } from '../../src/operate/reply.ts';
import { FakePlane, visitor } from './plane.ts';

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-grants-'));
  path = join(dir, 'grants.json');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Nothing can be put in the place of a folder that holds something, whoever runs the test. */
const breakDisk = () => {
  rmSync(path, { force: true });
  mkdirSync(join(path, 'in-the-way'), { recursive: true });
};
const mendDisk = () => rmSync(path, { recursive: true });

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
  test('is empty where there is no file, and makes none', () => {
    assert.deepEqual(GrantStore.open(dir).current(), []);
    assert.equal(existsSync(path), false);
  });

  test('keeps a grant over a restart, readable by its owner alone', () => {
    assert.deepEqual(GrantStore.open(dir).give(grantOf(), 1000), { durable: true });
    const again = GrantStore.open(dir);
    assert.deepEqual([again.current(), again.changes()], [[grantOf()], 1]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test('drops what ran out, to the millisecond', () => {
    const store = GrantStore.open(dir);
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
    const store = GrantStore.open(dir);
    store.give(grantOf(), 1000);
    store.give(grantOf({ id: 'g2', untilMs: 2000 }), 1000);
    store.give(grantOf({ id: 'g3', tool: 'read_file' }), 1000);
    assert.deepEqual(
      store.current().map(({ id }) => id),
      ['g2', 'g3'],
    );
  });

  test('gives nothing that is not on disk', () => {
    const store = GrantStore.open(dir);
    breakDisk();
    const saved = store.give(grantOf(), 1000);
    assert.equal(saved !== 'full' && saved.durable, false);
    assert.deepEqual([store.current(), store.changes()], [[], 0]);
  });

  test('takes back at once, whatever the disk says, and writes it down later', () => {
    const store = GrantStore.open(dir);
    store.give(grantOf(), 1000);
    breakDisk();
    assert.equal(store.take(grantOf(), 1000).durable, false);
    assert.deepEqual(store.current(), []);
    mendDisk();
    assert.deepEqual(store.retry(), { durable: true });
    assert.deepEqual(GrantStore.open(dir).current(), []);
  });

  test('is bounded; what ran out makes room', () => {
    const store = GrantStore.open(dir);
    const grants = Array.from({ length: grantsMax }, (_, at) => grantOf({ id: `g${at}`, caller: `c${at}` }));
    writeFileSync(path, JSON.stringify({ version: 1, changes: 3, grants }), { mode: 0o600 });
    const full = GrantStore.open(dir);
    assert.equal(full.give(grantOf({ id: 'x', caller: 'x' }), 1000), 'full');
    assert.deepEqual(full.give(grantOf({ id: 'x', caller: 'c1' }), 1000), { durable: true });
    assert.deepEqual(full.give(grantOf({ id: 'y', caller: 'y', untilMs: 9000 }), 5000), { durable: true });
    assert.equal(store.current().length, 0);
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
    test(`with ${what} in its file is refused, with what to do`, () => {
      writeFileSync(path, text, { mode: 0o600 });
      assert.throws(
        () => GrantStore.open(dir),
        (fault: unknown) =>
          fault instanceof Fault && fault.code === 'CONFIG_INVALID' && /remove it/.test(fault.hint ?? ''),
      );
    });
  }

  test("is not read from a file that is somebody else's to write, or through a link", () => {
    writeFileSync(path, JSON.stringify({ version: 1, changes: 0, grants: [row] }));
    chmodSync(path, 0o622);
    assert.throws(() => GrantStore.open(dir), /other users/);
    const real = join(dir, 'real.json');
    writeFileSync(real, '{}', { mode: 0o600 });
    rmSync(path);
    symlinkSync(real, path);
    assert.throws(() => GrantStore.open(dir), /symbolic link/);
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
    assert.deepEqual(GrantStore.open(dir).current(), [grant]);
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
    breakDisk();
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
    assert.deepEqual([plane.ordersNow.grants, GrantStore.open(dir).current()], [[], []]);
    assert.equal((await order('revoke-grant', { grant: id }))['changed'], false);
  });

  test('is taken back even when neither journal nor disk can be written, and says so', async () => {
    await give();
    plane.journalBroken = true;
    breakDisk();
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

test('grants.json can be read by a person', () => {
  GrantStore.open(dir).give(grantOf(), 1000);
  assert.match(readFileSync(path, 'utf8'), /^\{\n "version": 1,\n/);
});
