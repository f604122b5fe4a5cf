import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { replay, type Replayed } from '../../src/policy-tools/replay.ts';
import { readRecorded } from '../../src/policy-tools/recorded.ts';
import { samplePermit } from '../audit/sample.ts';
import { denied, journalOf, linesOf, startMs, type Past } from './journal.ts';
import { factsAt, launch, policy } from './support.ts';

const tools = '[tools."*"]\nrisk = "read"\neffect = "Reads."\n';
const rule = (name: string, verdict: string, more: string) =>
  `[[rule]]\nname = "${name}"\nverdict = "${verdict}"\n${more}\n`;
const read: Past = { target: { kind: 'tool', name: 'read' } };

async function again(
  t: TestContext,
  calls: readonly Past[],
  text: string,
  server?: string,
): Promise<Replayed> {
  const { orders } = policy(t, { files: launch + tools + text });
  const dir = await journalOf(t, calls);
  return replay(linesOf(dir), orders, { sinceMs: 0, server }, factsAt);
}

describe('replaying a journal', () => {
  it('counts a call once, although it has two records', async (t) => {
    const found = await again(t, [read], rule('reads', 'allow', 'tools = ["read"]'));
    assert.deepEqual([found.judged, found.different, found.withoutArgs, found.unreadable], [1, 0, 1, 0]);
  });

  it('groups what would be decided differently, with the newest call of each group', async (t) => {
    const calls = [read, { ...read, caller: 'bob' }, read, { ...read, decision: denied }];
    const found = await again(t, calls, rule('no', 'deny', 'tools = ["read"]\ncallers = ["ana"]'));
    assert.equal(found.different, 3);
    assert.deepEqual(
      found.groups.map(({ caller, target, was, now, count, newest }) => [
        caller,
        target,
        was.kind,
        now.kind,
        now.rule,
        count,
        newest,
      ]),
      [
        ['ana', 'read', 'allow', 'deny', 'no', 2, 'call-2'],
        ['bob', 'read', 'allow', 'deny', 'built-in: default deny', 1, 'call-1'],
      ],
    );
    assert.equal(found.byAnotherRule, 1);
  });

  it('shows what a candidate would open', async (t) => {
    const found = await again(t, [{ ...read, decision: denied }], rule('reads', 'allow', 'tools = ["read"]'));
    assert.deepEqual(
      found.groups.map(({ was, now }) => [was.kind, now.kind]),
      [['deny', 'allow']],
    );
  });

  it('looks at arguments only where the journal kept them, and says how often it did not', async (t) => {
    const only = rule('reads', 'allow', 'tools = ["read"]\nargs = { path = { equals = "/b" } }');
    const found = await again(t, [read, { ...read, payloads: true }], only);
    assert.deepEqual([found.judged, found.different, found.withoutArgs], [2, 1, 1]);
    assert.equal(found.groups[0]?.withoutArgs, 0);
    assert.equal(found.groups[0]?.newest, 'call-1');
  });

  it('judges each call at its own time', async (t) => {
    const until = new Date(startMs + 1500).toISOString();
    const found = await again(
      t,
      [read, read, read],
      rule('reads', 'allow', `tools = ["read"]\nuntil = ${until}`),
    );
    assert.deepEqual(
      found.groups.map(({ newest, count }) => [newest, count]),
      [['call-2', 1]],
    );
  });

  for (const ruleName of ['switch: lockdown', 'grant: abc', 'built-in: quarantined']) {
    it(`leaves out what ${ruleName} decided then`, async (t) => {
      const decision = ruleName.startsWith('grant')
        ? samplePermit({ rule: ruleName })
        : { ...denied, rule: ruleName };
      const found = await again(t, [{ ...read, decision }], rule('no', 'deny', 'tools = ["read"]'));
      assert.deepEqual([found.judged, found.leftOut, found.different], [0, 1, 0]);
    });
  }

  for (const [target, method, text] of [
    [{ kind: 'resource', uri: 'file:///a/b' }, 'resources/read', 'resources = ["file:///a/*"]'],
    [{ kind: 'prompt', name: 'hello' }, 'prompts/get', 'prompts = ["hello"]'],
    [
      { kind: 'completion', of: { kind: 'prompt', name: 'hello' } },
      'completion/complete',
      'prompts = ["hello"]',
    ],
    [
      { kind: 'completion', of: { kind: 'resource', uri: 'file:///a/b' } },
      'completion/complete',
      'resources = ["file:///a/*"]',
    ],
    [
      { kind: 'subscription', uris: ['file:///a/b', 'file:///a/c'] },
      'subscriptions/listen',
      'resources = ["file:///a/*"]',
    ],
    [{ kind: 'task', id: 't-1', tool: 'read' }, 'tasks/get', 'tools = ["read"]'],
    [{ kind: 'upcall', method: 'roots/list' }, 'roots/list', 'upcalls = ["roots/list"]'],
    [{ kind: 'unknown', method: 'x/y' }, 'x/y', 'methods = ["x/y"]'],
  ] as const) {
    it(`knows a ${target.kind} again`, async (t) => {
      const same = await again(t, [{ target, method }], rule('reads', 'allow', text));
      assert.deepEqual(
        [same.judged, same.different, same.byAnotherRule],
        [1, 0, target.kind === 'subscription' ? 1 : 0],
      );
      const other = await again(t, [{ target, method }], rule('no', 'deny', text));
      assert.equal(other.different, 1);
    });
  }

  it('knows the address of a resource without its payload', async (t) => {
    const uri = 'file:///a/b';
    const found = await again(
      t,
      [{ target: { kind: 'resource', uri }, method: 'resources/read' }],
      rule('r', 'allow', 'resources = ["file:///a/*"]'),
    );
    assert.deepEqual([found.judged, found.withoutArgs], [1, 0]);
  });

  it('asks about one server only when it is told to', async (t) => {
    const found = await again(t, [read], rule('no', 'deny', 'tools = ["read"]'), 'other');
    assert.equal(found.judged, 0);
  });

  it('asks about nothing older than it is told to', async (t) => {
    const { orders } = policy(t, { files: launch + tools + rule('no', 'deny', 'tools = ["read"]') });
    const dir = await journalOf(t, [read, read]);
    const found = await replay(linesOf(dir), orders, { sinceMs: startMs + 500, server: undefined }, factsAt);
    assert.equal(found.judged, 1);
  });

  it('counts lines that are no records, and goes on', async (t) => {
    const { orders } = policy(t, { files: launch + tools + rule('no', 'deny', 'tools = ["read"]') });
    const lines = [
      '{',
      '[]',
      'null',
      '"x"',
      '{}',
      '{"kind":"command"}',
      '{"kind":"decision","decision":{},"target":{}}',
    ];
    const found = await replay(lines, orders, { sinceMs: 0, server: undefined }, factsAt);
    assert.deepEqual([found.judged, found.unreadable], [0, 4]);
  });

  it('keeps no more groups than it can hold, and counts the rest', async (t) => {
    const { orders } = policy(t, { files: launch + tools + rule('no', 'deny', 'tools = ["*"]') });
    const line = (at: number) =>
      JSON.stringify({
        kind: 'decision',
        time: '2026-01-02T00:00:00Z',
        id: `c${at}`,
        caller: 'ana',
        server: 'files',
        target: { kind: 'tool', name: `t${at}` },
        decision: { kind: 'allow', rule: 'r' },
        argBytes: 2,
      });
    const found = await replay(
      Array.from({ length: 10_005 }, (_, at) => line(at)),
      orders,
      { sinceMs: 0, server: undefined },
      factsAt,
    );
    assert.deepEqual([found.groups.length, found.ungrouped, found.different], [10_000, 5, 10_005]);
  });
});

describe('a record', () => {
  const record = (more: object) =>
    JSON.stringify({
      kind: 'decision',
      time: '2026-01-02T00:00:00Z',
      id: 'c',
      caller: 'ana',
      server: 'files',
      target: { kind: 'tool', name: 'read' },
      decision: { kind: 'allow', rule: 'r' },
      ...more,
    });

  it('of a further try is no further call', () => {
    assert.equal(readRecorded(record({ attempt: 2 })), 'not-a-call');
    assert.notEqual(readRecorded(record({ attempt: 1 })), 'not-a-call');
  });

  it('whose name was cut is known as such', async (t) => {
    const long = 'x'.repeat(2000);
    const dir = await journalOf(t, [
      { target: { kind: 'resource', uri: `file:///${long}` }, method: 'resources/read' },
    ]);
    const cut: boolean[] = [];
    for await (const line of linesOf(dir)) {
      const read = readRecorded(line);
      if (typeof read !== 'string') cut.push(read.cut);
    }
    assert.deepEqual(cut, [true]);
  });

  it('has the arguments of a tool, and the whole parameters of everything else', () => {
    const tool = readRecorded(record({ params: { name: 'read', arguments: { a: 1 } }, argBytes: 30 }));
    assert.ok(typeof tool !== 'string');
    assert.deepEqual(tool.args, { a: 1 });
    const upcall = readRecorded(
      record({ kind: 'upcall', method: 'roots/list', params: { a: 1 }, argBytes: 7 }),
    );
    assert.ok(typeof upcall !== 'string');
    assert.deepEqual([upcall.args, upcall.target], [{ a: 1 }, { kind: 'upcall', method: 'roots/list' }]);
  });

  it('of something that was sent without parameters has no arguments, and that is known', () => {
    const read = readRecorded(record({ target: { kind: 'unknown', name: 'x' }, argBytes: 0 }));
    assert.ok(typeof read !== 'string');
    assert.deepEqual(read.args, {});
  });
});
