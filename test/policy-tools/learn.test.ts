import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { loadPolicies } from '../../src/config/load.ts';
import { readToml } from '../../src/config/toml.ts';
import type { ServerFile } from '../../src/domain/orders.ts';
import { runCases } from '../../src/policy-tools/cases.ts';
import { coverage } from '../../src/policy-tools/coverage.ts';
import { learned } from '../../src/policy-tools/learn.ts';
import { Observed } from '../../src/policy-tools/observed.ts';
import { Peak, roundUp } from '../../src/policy-tools/peak.ts';
import { readRecorded } from '../../src/policy-tools/recorded.ts';
import { replay } from '../../src/policy-tools/replay.ts';
import { commonFolders } from '../../src/policy-tools/uris.ts';
import { comment, list, text } from '../../src/policy-tools/write-toml.ts';
import { samplePermit } from '../audit/sample.ts';
import { denied, journalOf, linesOf, type Past } from './journal.ts';
import { factsAt, folder, launch, policy } from './support.ts';

const tool = (name: string, more: Partial<Past> = {}): Past => ({ target: { kind: 'tool', name }, ...more });
const yes = { ...samplePermit(), kind: 'confirm', asking: {} } as unknown as NonNullable<Past['decision']>;

async function seenIn(dir: string): Promise<Observed> {
  const seen = new Observed();
  for await (const line of linesOf(dir)) {
    const read = readRecorded(line);
    if (typeof read !== 'string') seen.add(read);
  }
  return seen;
}

async function learn(
  t: TestContext,
  calls: readonly Past[],
  known?: ServerFile,
): Promise<{ text: string; dir: string }> {
  const dir = await journalOf(t, calls);
  return { text: learned('files', await seenIn(dir), known, 'a test'), dir };
}

/** As if a person had said how to start the server. */
const started = (text: string) => text.replace('command = "FILL IN"', 'command = "/bin/cat"');

describe('what is learned from a journal', () => {
  const past: readonly Past[] = [
    tool('read'),
    tool('read', { caller: 'bob' }),
    tool('write', { decision: yes }),
    tool('delete', { decision: denied }),
    { target: { kind: 'resource', uri: 'file:///a/b' }, method: 'resources/read' },
    { target: { kind: 'prompt', name: 'hello' }, method: 'prompts/get' },
    { target: { kind: 'upcall', method: 'roots/list' }, method: 'roots/list' },
    { target: { kind: 'unknown', method: 'x/y' }, method: 'x/y' },
  ];

  it('allows all of it and nothing else', async (t) => {
    const { text: written, dir } = await learn(t, past);
    const { orders } = policy(t, { files: started(written) });
    const again = await replay(linesOf(dir), orders, { sinceMs: 0, server: undefined }, factsAt);
    assert.deepEqual([again.judged, again.different], [past.length, 0]);
    const server = orders.servers.get('files');
    assert.deepEqual(
      server?.rules.map(({ text: { verdict, callers, tools, record } }) => [verdict, callers, tools, record]),
      [
        ['allow', ['ana', 'bob'], ['read'], ['path']],
        ['confirm', ['ana'], ['write'], ['path']],
        ['allow', ['ana'], [], []],
        ['allow', ['ana'], [], []],
        ['allow', ['ana'], [], []],
        ['allow', ['ana'], [], []],
      ],
    );
  });

  it('comes with a case for each rule, and they pass', async (t) => {
    const { files, orders } = policy(t, { files: started((await learn(t, past)).text) });
    const results = runCases(orders, files, factsAt);
    assert.deepEqual(
      results.filter(({ passed }) => !passed),
      [],
    );
    assert.equal(coverage(files, results).percent, 100);
  });

  it('is no valid policy before a person said how to start the server', async (t) => {
    const loaded = loadPolicies(folder(t, { files: (await learn(t, past)).text }), { HOME: '/home/nobody' });
    assert.ok(!loaded.ok);
    assert.match(JSON.stringify(loaded.complaints), /FILL IN/);
  });

  it('takes over how the server is run, and what is known of its tools, and no less grave', async (t) => {
    const now = `${launch}args = ["-c", "true"]\n[env]\nA = "b"\n[tools.read]\nrisk = "read"\neffect = "Reads."\n[tools."*"]\nrisk = "write"\neffect = "Who knows."\n[[rule]]\nname = "r"\nverdict = "allow"\ntools = ["read"]\n`;
    const { files } = policy(t, { files: now });
    const { text: written } = await learn(t, past, files[0]);
    const { files: fresh } = policy(t, { files: written });
    assert.deepEqual(
      [fresh[0]?.spec.args, fresh[0]?.spec.env, fresh[0]?.contract.owner],
      [['-c', 'true'], { A: 'b' }, 'tests'],
    );
    assert.deepEqual(
      fresh[0]?.tools.map(({ name, risk }) => [name, risk]),
      [
        ['read', 'write'],
        ['write', 'write'],
      ],
    );
  });

  it('is no laxer about pins, stages and arguments than the file it was learned under', async (t) => {
    const strict =
      'pins = "approved"\nstage = "pilot"\npilots = ["ana", "b*"]\nmode = "observe"\ncheck_arguments = false\n';
    const rest = `[tools.read]\nrisk = "read"\neffect = "Reads."\n[[rule]]\nname = "r"\nverdict = "allow"\ntools = ["read"]\n`;
    const { text: written } = await learn(
      t,
      past,
      policy(t, { files: `${launch}${strict}${rest}` }).files[0],
    );
    for (const line of strict.trim().split('\n')) assert.ok(written.includes(`${line}\n`), line);
  });

  it('says when the file in force denies or has conditions, because none of that is in a journal', async (t) => {
    const open = `${launch}[tools.read]\nrisk = "read"\neffect = "Reads."\n[[rule]]\nname = "r"\nverdict = "allow"\ntools = ["read"]\n`;
    const warned = async (now: string) =>
      /None of\n# that is taken over/.test((await learn(t, past, policy(t, { files: now }).files[0])).text);
    assert.equal(await warned(open), false);
    for (const more of [
      'args = { a = { max = 1 } }\n',
      '[[rule]]\nname = "no"\nverdict = "deny"\ntools = ["x"]\n',
      '[limits]\nper_caller = "1/s"\n',
    ])
      assert.equal(await warned(open + more), true, more);
  });

  it('gives nobody what only another one did', async (t) => {
    const { orders } = policy(t, {
      files: started((await learn(t, [tool('a'), tool('b', { caller: 'bob' })])).text),
    });
    const dir = await journalOf(t, [tool('b'), tool('a', { caller: 'bob' })]);
    const again = await replay(linesOf(dir), orders, { sinceMs: 0, server: undefined }, factsAt);
    assert.equal(again.different, 2);
  });

  it('leaves out names that would be patterns, or that cannot be shown, and says so', async (t) => {
    const hostile = ['*', 'get_*', 'a\u0007', 'a\nverdict = "allow"'].map((name) =>
      tool(name, { params: '{}' }),
    );
    const { text: written } = await learn(t, [tool('read'), ...hostile]);
    assert.match(written, /4 uses are left out/);
    const { files } = policy(t, { files: started(written) });
    assert.deepEqual(
      files[0]?.rules.flatMap(({ tools }) => tools),
      ['read'],
    );
  });

  it('is within limits a little above what was seen', async (t) => {
    const calls = Array.from({ length: 30 }, (_, at) => tool('read', { afterMs: at * 100 }));
    const { files } = policy(t, { files: started((await learn(t, calls)).text) });
    assert.deepEqual(
      files[0]?.limits.map(({ rates }) => rates[0]?.text),
      ['50/min', '50/min'],
    );
  });

  it('whatever the names are, it reads back as what it says', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 12 }), (values) => {
        const read = readToml(`${values.map((it) => comment(it)).join('\n')}\na = ${list(values)}\n`);
        assert.ok(read.ok);
        assert.deepEqual(
          (read.document.value as { a: unknown }).a,
          values.map((it) => it.toWellFormed()),
        );
      }),
    );
  });

  it('shows nothing that a terminal would obey', () => {
    assert.doesNotMatch(text('a\u001b[2J\u202e\u{e0041}b'), /[^\x20-\x7e]/);
  });
});

describe('the busiest minute', () => {
  it('is never said to be less than it was', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(400_000), { minLength: 1, maxLength: 60 }), (times) => {
        const sorted = times.toSorted((a, b) => a - b);
        const peak = new Peak();
        for (const at of sorted) peak.add(at);
        const most = Math.max(
          ...sorted.map((at) => sorted.filter((it) => it >= at && it < at + 60_000).length),
        );
        assert.ok(peak.perMinute >= most);
        assert.ok(peak.perMinute <= 2 * most);
      }),
    );
  });

  for (const [count, wanted] of [
    [1, 1],
    [3, 5],
    [6, 10],
    [11, 20],
    [50, 50],
    [51, 100],
  ] as const) {
    it(`${count} is written as ${wanted}`, () => assert.equal(roundUp(count), wanted));
  }
});

describe('addresses for a rule', () => {
  const many = (named: (at: number) => string) => Array.from({ length: 9 }, (_, at) => named(at));

  it('are exact while there are few', () => {
    const few = many((at) => `file:///a/${at}`).slice(1);
    assert.deepEqual(commonFolders(few), few);
  });

  it('are the folder that many have in common', () => {
    assert.deepEqual(commonFolders(many((at) => `file:///srv/a/${at}`)), ['file:///srv/a/**']);
  });

  it('are never a whole disk, host or scheme', () => {
    for (const uris of [
      many((at) => `file:///${at}/x`),
      many((at) => `https://a.example/${at}`),
      many((at) => `https://${at}.example/x`),
      many((at) => `memo:${at}`),
    ])
      assert.deepEqual(commonFolders(uris), uris);
  });
});
