import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { carryOut, commands } from '../../src/operate/commands.ts';
import type { Reply } from '../../src/operate/reply.ts';
import { SwitchStore } from '../../src/operate/switches.ts';
import { breakState, mendState, stateIn } from '../support/state.ts';
import { callTo, definitionOf, FakePlane, serverOf, visitor } from './plane.ts';

let dir = '';
let plane: FakePlane;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-commands-'));
  plane = new FakePlane(dir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const order = (command: string, args: object = {}): Promise<Reply & Record<string, unknown>> =>
  carryOut(plane, { command, args, visitor: visitor('ana') });

const code = (reply: Reply) => (reply.ok ? 'ok' : reply.error.code);

describe('disable-tool', () => {
  test('is on disk, in the orders and on the journal when it answers', async () => {
    const reply = await order('disable-tool', { tool: 'files/write_file', reason: 'rogue' });
    assert.deepEqual(reply, {
      ok: true,
      command: 'disable-tool',
      kind: 'tool',
      name: 'files/write_file',
      known: true,
      nearest: null,
      changed: true,
      durable: true,
      stopped: 0,
      ordersVersion: 'd1+1',
    });
    const off = { at: 1_800_000_000_000, by: 'ana', reason: 'rogue' };
    assert.deepEqual(plane.ordersNow.switches.tools.get('files/write_file'), off);
    assert.deepEqual(SwitchStore.open(stateIn(dir)).current().tools.get('files/write_file'), off);
    assert.deepEqual(plane.records, [
      {
        by: 'ana',
        as: 'user',
        role: 'operator',
        command: 'disable-tool',
        args: ['tool=files/write_file', 'reason=rogue'],
        result: 'done',
      },
    ]);
  });

  test('asked for again says so, changes nothing and keeps the first reason', async () => {
    await order('disable-tool', { tool: 'files/write_file', reason: 'first' });
    const before = plane.ordersNow;
    const reply = await order('disable-tool', { tool: 'files/write_file', reason: 'second' });
    assert.equal(reply.ok, true);
    assert.equal(reply['changed'], false);
    assert.equal(plane.ordersNow, before);
    assert.equal(before.switches.tools.get('files/write_file')?.reason, 'first');
  });

  test("leaves calls in flight alone unless told --now, and then stops only that tool's", async () => {
    const [aimed, other, elsewhere] = [
      callTo('files', 'write_file'),
      callTo('files', 'read_file'),
      callTo('memory', 'write_file'),
    ];
    plane.calls.push(aimed, other, elsewhere);
    assert.equal((await order('disable-tool', { tool: 'files/write_file' }))['stopped'], 0);
    assert.equal(aimed.halt.reason, undefined);
    // Off already, and still the ones under way can be stopped.
    assert.equal((await order('disable-tool', { tool: 'files/write_file', now: true }))['stopped'], 1);
    assert.equal(aimed.halt.reason, 'switched off by the operator');
    assert.equal(other.halt.reason, undefined);
    assert.equal(elsewhere.halt.reason, undefined);
  });

  test('stops with --now also what became a task of the tool, and a stream that follows one', async () => {
    const task = { ...callTo('files', 'x'), target: { kind: 'task', id: '1', tool: 'write_file' } } as const;
    const target = { kind: 'subscription', uris: [], tools: ['read_file', 'write_file'] } as const;
    const stream = { ...callTo('files', 'x'), target };
    const other = { ...callTo('files', 'x'), target: { kind: 'task', id: '2', tool: 'read_file' } } as const;
    plane.calls.push(task, stream, other);
    assert.equal((await order('disable-tool', { tool: 'files/write_file', now: true }))['stopped'], 2);
    assert.equal(other.halt.reason, undefined);
  });

  test('swaps the orders before it stops what is under way, so that nothing slips between', async () => {
    await order('disable-tool', { tool: 'files/write_file', now: true });
    assert.deepEqual(plane.told, ['orders d1+1', 'halt 0', 'record done']);
  });

  test('works for a tool that does not exist, and names the nearest', async () => {
    const reply = await order('disable-tool', { tool: 'files/writefile' });
    assert.equal(reply.ok, true);
    assert.equal(reply['known'], false);
    assert.equal(reply['nearest'], 'files/write_file');
    assert.ok(plane.ordersNow.switches.tools.has('files/writefile'));
  });

  test('works for a server that has not listed its tools', async () => {
    plane.servers = [serverOf('files', { state: 'starting', catalog: undefined })];
    const reply = await order('disable-tool', { tool: 'files/write_file' });
    assert.equal(reply.ok, true);
    assert.equal(reply['known'], false);
  });

  for (const tool of ['files', 'files/', '/write_file', 'files/*', 'files/write_?ile', '*/x']) {
    test(`refuses ${tool} instead of switching off something else`, async () => {
      const reply = await order('disable-tool', { tool });
      assert.equal(code(reply), 'BAD_ARGUMENTS');
      assert.equal(plane.switches.changes(), 0);
    });
  }

  test('whose disk is full is in force, is not ok, and says NOT DURABLE', async () => {
    breakState(dir);
    const reply = await order('disable-tool', { tool: 'files/write_file' });
    assert.equal(code(reply), 'NOT_DURABLE');
    assert.match(reply.ok ? '' : reply.error.says, /NOT DURABLE/);
    assert.equal(reply['changed'], true);
    assert.equal(reply['durable'], false);
    assert.ok(plane.ordersNow.switches.tools.has('files/write_file'));
    // The same command again, with room on the disk, makes it last.
    mendState(dir);
    const again = await order('disable-tool', { tool: 'files/write_file' });
    assert.equal(again.ok, true);
    assert.equal(again['durable'], true);
    assert.ok(SwitchStore.open(stateIn(dir)).current().tools.has('files/write_file'));
  });

  test('whose journal is full is in force, is not ok, and says NOT RECORDED', async () => {
    plane.journalBroken = true;
    const reply = await order('disable-tool', { tool: 'files/write_file' });
    assert.equal(code(reply), 'AUDIT_UNAVAILABLE');
    assert.match(reply.ok ? '' : reply.error.says, /NOT RECORDED/);
    assert.equal(reply['recorded'], false);
    assert.ok(plane.ordersNow.switches.tools.has('files/write_file'));
  });
});

describe('enable-tool', () => {
  test('takes the switch back, for good', async () => {
    await order('disable-tool', { tool: 'files/write_file' });
    const reply = await order('enable-tool', { tool: 'files/write_file' });
    assert.equal(reply['changed'], true);
    assert.equal(plane.ordersNow.switches.tools.size, 0);
    assert.equal(plane.ordersNow.version, 'd1+2');
    assert.equal(SwitchStore.open(stateIn(dir)).current().tools.size, 0);
  });

  test('of a tool that is on succeeds and says so', async () => {
    const reply = await order('enable-tool', { tool: 'files/write_file' });
    assert.equal(reply.ok, true);
    assert.equal(reply['changed'], false);
  });

  test('is on the journal before it happens, and does not happen without', async () => {
    await order('disable-tool', { tool: 'files/write_file' });
    plane.told.length = 0;
    await order('enable-tool', { tool: 'files/write_file' });
    assert.deepEqual(plane.told, ['record begun', 'orders d1+2', 'record done']);
    await order('disable-tool', { tool: 'files/write_file' });
    plane.journalBroken = true;
    const reply = await order('enable-tool', { tool: 'files/write_file' });
    assert.equal(code(reply), 'AUDIT_UNAVAILABLE');
    assert.ok(plane.ordersNow.switches.tools.has('files/write_file'));
  });

  test('whose disk is full changes nothing', async () => {
    await order('disable-tool', { tool: 'files/write_file' });
    breakState(dir);
    const reply = await order('enable-tool', { tool: 'files/write_file' });
    assert.equal(code(reply), 'NOT_DURABLE');
    assert.equal(reply['changed'], false);
    assert.ok(plane.ordersNow.switches.tools.has('files/write_file'));
  });
});

describe('the other switches', () => {
  test("a server's stops the calls to that server, whatever they aim at", async () => {
    plane.calls.push(callTo('files', 'a'), callTo('files', 'b'), callTo('memory', 'a'));
    assert.equal((await order('disable-server', { server: 'files', now: true }))['stopped'], 2);
    assert.ok(plane.ordersNow.switches.servers.has('files'));
    await order('enable-server', { server: 'files' });
    assert.equal(plane.ordersNow.switches.servers.size, 0);
  });

  test("a caller's stops that caller's calls", async () => {
    plane.calls.push(callTo('files', 'a', 'ana'), callTo('files', 'b', 'bob'));
    const reply = await order('disable-caller', { caller: 'bob', now: true });
    assert.equal(reply['stopped'], 1);
    assert.equal(reply['known'], true);
    await order('enable-caller', { caller: 'bob' });
    assert.equal(plane.ordersNow.switches.callers.size, 0);
  });

  test('a lockdown stops everything, and unlock keeps the switches that were there before', async () => {
    plane.calls.push(callTo('files', 'a'), callTo('memory', 'b'));
    await order('disable-server', { server: 'files' });
    assert.equal((await order('lockdown', { now: true, reason: 'incident' }))['stopped'], 2);
    assert.equal(plane.ordersNow.switches.lockdown?.reason, 'incident');
    assert.equal((await order('lockdown'))['changed'], false);
    await order('unlock');
    assert.equal(plane.ordersNow.switches.lockdown, undefined);
    assert.ok(plane.ordersNow.switches.servers.has('files'));
  });
});

describe('approve and deny', () => {
  const target = { kind: 'tool', name: 'write_file' } as const;
  const question = {
    id: 'k7',
    callId: 'c-9',
    caller: 'ana',
    server: 'files',
    method: 'tools/call',
    target,
    rule: 'writes',
    askedAt: 1_799_999_990_000,
    expiresAt: 1_800_000_050_000,
    effect: undefined,
    argsText: '{}',
    argsSha256: 'aa',
    channels: ['operator'],
    approvalsNeeded: 1,
    approvedBy: [],
    leaseMsMax: 600_000,
    leaseSame: ['path'],
  };

  test("answer the question they name, in the operator's name", async () => {
    const verdicts: unknown[] = [];
    Object.assign(plane.gate, {
      answer: (id: string, verdict: unknown) => {
        verdicts.push([id, verdict]);
        return { kind: 'taken', ending: 'approved', question, leaseMs: 0 };
      },
    });
    const reply = await order('approve', { id: 'k7' });
    assert.deepEqual(verdicts, [
      ['k7', { verdict: 'approve', by: 'ana', person: undefined, reason: undefined, forMs: undefined }],
    ]);
    assert.equal(reply['callId'], 'c-9');
    assert.deepEqual(plane.told, ['record begun', 'record done']);
  });

  test('--for asks for a yes that is good for a while, and says for how long it is', async () => {
    const asked: unknown[] = [];
    Object.assign(plane.gate, {
      answer: (_id: string, { forMs }: { forMs: unknown }) => {
        asked.push(forMs);
        return { kind: 'taken', ending: 'approved', question, leaseMs: 600_000 };
      },
    });
    assert.equal((await order('approve', { id: 'k7', for: '10m' }))['leaseMs'], 600_000);
    assert.deepEqual(asked, [600_000]);
    for (const span of ['10', 'm', '0m', '-1m', '2d', '1e3m', '10 m', '10min'])
      assert.equal(code(await order('approve', { id: 'k7', for: span })), 'BAD_ARGUMENTS', span);
    assert.equal(asked.length, 1);
    Object.assign(plane.gate, { answer: () => ({ kind: 'refused', reason: 'the rule allows no lease' }) });
    const refused = await order('approve', { id: 'k7', for: '10m' });
    assert.equal(code(refused), 'ANSWER_REFUSED');
    assert.match(JSON.stringify(refused), /"the rule allows no lease; nothing changed"/);
  });

  test('count a yes where more are needed, and say how many', async () => {
    Object.assign(plane.gate, { answer: () => ({ kind: 'counted', question, still: 1, changed: true }) });
    const reply = await order('approve', { id: 'k7' });
    assert.deepEqual([reply.ok, reply['changed'], reply['still'], reply['ending']], [true, true, 1, null]);
  });

  test('say so when it was answered that way before, and refuse when it ended another way', async () => {
    Object.assign(plane.gate, { answer: () => ({ kind: 'already', ending: 'approved', by: 'bob' }) });
    const again = await order('approve', { id: 'k7' });
    assert.equal(again.ok, true);
    assert.equal(again['changed'], false);
    assert.equal(code(await order('deny', { id: 'k7' })), 'ALREADY_ENDED');
    Object.assign(plane.gate, { answer: () => ({ kind: 'already', ending: 'expired', by: undefined }) });
    assert.equal(code(await order('approve', { id: 'k7' })), 'ALREADY_ENDED');
  });

  test('refuse a question that is not there', async () => {
    assert.equal(code(await order('approve', { id: 'zz' })), 'NOT_FOUND');
  });

  test('never approve without the journal', async () => {
    plane.journalBroken = true;
    let asked = 0;
    Object.assign(plane.gate, { answer: () => (asked++, { kind: 'unknown' }) });
    assert.equal(code(await order('approve', { id: 'k7' })), 'AUDIT_UNAVAILABLE');
    assert.equal(asked, 0);
    await order('deny', { id: 'k7' });
    assert.equal(asked, 1);
  });

  test('approvals shows what waits, and for how long yet', async () => {
    Object.assign(plane.gate, { list: () => [question] });
    const reply = await order('approvals');
    assert.deepEqual(reply['approvals'], [
      {
        ...question,
        effect: null,
        askedAt: '2027-01-15T07:59:50.000Z',
        expiresAt: '2027-01-15T08:00:50.000Z',
        expiresInMs: 50_000,
        cutBytes: 0,
      },
    ]);
    assert.equal(reply['leftOut'], 0);
  });

  const replyBytesMax = 8 * 1024 * 1024;
  type Row = { readonly id: string; readonly argsText: string; readonly cutBytes: number };
  const rowsOf = (reply: Reply) => reply['approvals'] as readonly Row[];
  const large = '"\\'.repeat(120_000);
  const argsText = JSON.stringify({ name: 'write_file', arguments: { text: large } });

  test('approvals cuts what is large, says so, and shows one of them whole', async () => {
    const uri = `file:///${'x'.repeat(200_000)}`;
    const many = Array.from({ length: 64 }, (_, at) => ({ ...question, id: `q${at}`, argsText }));
    const last = { ...question, id: 'zz', argsText, target: { kind: 'resource', uri } };
    Object.assign(plane.gate, {
      list: (typed?: string) => [...many, last].filter(({ id }) => typed === undefined || typed === id),
    });
    const reply = await order('approvals');
    assert.ok(Buffer.byteLength(JSON.stringify(reply)) < replyBytesMax);
    assert.deepEqual([rowsOf(reply).length, reply['leftOut']], [65, 0]);
    for (const row of rowsOf(reply)) {
      assert.ok(argsText.startsWith(row.argsText) && row.argsText.length <= 16_384);
      assert.equal(row.cutBytes, argsText.length - row.argsText.length);
    }
    assert.match(JSON.stringify(rowsOf(reply).at(-1)), /"uri":"file:.{900,1000}…\[CUT: .* of 200008 /);
    const one = await order('approvals', { id: 'zz' });
    assert.equal(one['id'], 'zz');
    assert.deepEqual(
      rowsOf(one).map((row) => [row.id, row.argsText === argsText, row.cutBytes]),
      [['zz', true, 0]],
    );
    assert.ok(JSON.stringify(one).includes(uri));
    assert.equal(code(await order('approvals', { id: 'none' })), 'NOT_FOUND');
  });

  test('approvals fits on its line however many wait, and says how many it left out', async () => {
    const effect = 'x'.repeat(2000);
    const many = Array.from({ length: 10_000 }, (_, at) => ({ ...question, id: `q${at}`, argsText, effect }));
    Object.assign(plane.gate, { list: () => many });
    const reply = await order('approvals');
    assert.ok(Buffer.byteLength(JSON.stringify(reply)) < replyBytesMax);
    assert.ok(rowsOf(reply).length > 1000);
    assert.equal(rowsOf(reply).length + (reply['leftOut'] as number), 10_000);
  });
});

describe('every command', () => {
  test('that there is is in the table, and every row can be read aloud', () => {
    assert.deepEqual(
      [...commands.keys()],
      [
        'status',
        'tools',
        'approvals',
        'approve',
        'deny',
        'leases',
        'end-lease',
        'grants',
        'grant',
        'revoke-grant',
        'pins',
        'pin',
        'pin-package',
        'disable-tool',
        'enable-tool',
        'disable-server',
        'enable-server',
        'disable-caller',
        'enable-caller',
        'lockdown',
        'unlock',
        'restart',
        'secrets',
        'refresh-secret',
        'reload',
        'reload-operators',
        'reload-keys',
      ],
    );
  });

  for (const name of ['constructor', '__proto__', 'disable-tol', '', 'x'.repeat(5000)]) {
    test(`that there is not (${name.slice(0, 12)}) is refused and recorded`, async () => {
      const reply = await order(name);
      assert.equal(code(reply), 'UNKNOWN_COMMAND');
      assert.equal(plane.records.length, 1);
      assert.ok((plane.records[0]?.command.length ?? 0) <= 64);
    });
  }

  test('with a slip of the finger is met with the name that was meant', async () => {
    const reply = await order('disable-tol');
    assert.match(reply.ok ? '' : (reply.error.hint ?? ''), /disable-tool/);
  });

  for (const [what, command, args] of [
    ['a missing argument', 'disable-tool', {}],
    ['an unknown argument', 'disable-tool', { tool: 'a/b', force: true }],
    ['a text where a flag belongs', 'lockdown', { now: 'yes' }],
    ['a number where a text belongs', 'approve', { id: 7 }],
    ['an empty text', 'disable-tool', { tool: 'a/b', reason: '' }],
    ['a text without end', 'disable-tool', { tool: 'a/b', reason: 'x'.repeat(1025) }],
    ['arguments in a list', 'status', []],
  ] as const) {
    test(`with ${what} is refused and changes nothing`, async () => {
      assert.equal(code(await order(command, args)), 'BAD_ARGUMENTS');
      assert.equal(plane.switches.changes(), 0);
      assert.deepEqual(
        plane.records.map(({ result }) => result),
        ['refused: BAD_ARGUMENTS'],
      );
    });
  }

  test('that meets a bug answers instead of throwing', async () => {
    Object.assign(plane.fleet, { restart: () => Promise.reject(new Error('boom')) });
    assert.equal(code(await order('restart', { server: 'files' })), 'BUG');
  });

  test('restart needs a server that there is', async () => {
    assert.equal(code(await order('restart', { server: 'fils' })), 'NOT_FOUND');
    assert.equal((await order('restart', { server: 'files' }))['state'], 'ready');
  });

  test('reload passes complaints on', async () => {
    Object.assign(plane.policies, {
      reload: async () => ({
        ok: false,
        changed: false,
        version: 'd1+0',
        complaints: ['a.toml:3:1: no'],
        needsRestart: [],
      }),
    });
    const reply = await order('reload');
    assert.equal(code(reply), 'RELOAD_REFUSED');
    assert.deepEqual(reply['complaints'], ['a.toml:3:1: no']);
  });

  test('status survives JSON', async () => {
    await order('lockdown', { reason: 'x' });
    const reply = await order('status');
    assert.deepEqual(JSON.parse(JSON.stringify(reply)), reply);
    assert.equal(reply['status'], 'degraded');
  });
});

describe('leases', () => {
  const lease = {
    id: 'k7',
    caller: 'ana',
    server: 'files',
    rule: 'writes',
    target: '{}',
    same: [
      ['path', '"/a"'],
      ['mode', undefined],
    ],
    by: 'ana',
    expiresAt: 1_800_000_060_000,
  };

  test('are listed with what their calls have in common, and end when asked to', async () => {
    const held = [lease];
    Object.assign(plane.gate, {
      leases: () => held,
      endLeases: (match: (it: typeof lease) => boolean) =>
        held.filter(match).length > 0 ? held.splice(0).length : 0,
    });
    const listed = (await order('leases'))['leases'];
    assert.deepEqual(listed, [
      {
        ...lease,
        same: [
          { path: 'path', value: '"/a"' },
          { path: 'mode', value: null },
        ],
        expiresAt: '2027-01-15T08:01:00.000Z',
        expiresInMs: 60_000,
      },
    ]);
    assert.equal((await order('end-lease', { id: 'other' }))['changed'], false);
    assert.equal((await order('end-lease', { id: ' K7 ' }))['changed'], true);
    assert.equal((await order('end-lease', { id: 'k7' }))['changed'], false);
  });
});

describe('status', () => {
  test('shows what is out of the ordinary: breakers, quarantine, grants', async () => {
    Object.assign(plane, {
      breakers: () => [{ server: 'files', tool: 'read_file', state: 'open', untilMs: 1_800_000_030_000 }],
    });
    await order('grant', { caller: 'ana', tool: 'files/read_file', for: '1h' });
    plane.pins.saw('files', [definitionOf('read_file')], 'own', true);
    plane.pins.saw('files', [definitionOf('read_file', { description: 'x' })], 'own', true);
    const reply = await order('status');
    assert.deepEqual(
      [reply['grants'], reply['quarantined'], reply['breakers']],
      [1, 1, [{ server: 'files', tool: 'read_file', state: 'open', until: '2027-01-15T08:00:30.000Z' }]],
    );
  });
});
