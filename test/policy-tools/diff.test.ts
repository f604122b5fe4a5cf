import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { compare, type Compared, type Difference } from '../../src/policy-tools/diff.ts';
import { facts, launch, policy } from './support.ts';

const tools =
  '[tools.read]\nrisk = "read"\neffect = "Reads."\n[tools.write]\nrisk = "write"\neffect = "Writes."\n';
const rule = (name: string, verdict: string, more: string) =>
  `[[rule]]\nname = "${name}"\nverdict = "${verdict}"\n${more}\n`;
const reading = rule('reading', 'allow', 'tools = ["read"]');
const writing = (more = '') => rule('writing', 'confirm', `tools = ["write"]\n${more}`);

function diff(
  t: TestContext,
  old: string,
  next: string,
  daemons: readonly [string?, string?] = [],
): Compared {
  const [was, now] = [old, next].map((text, at) => policy(t, { files: launch + text }, daemons[at]));
  assert.ok(was && now);
  return compare(was, now, facts);
}

const line = ({ direction, target, callers, was, now, what }: Difference) =>
  `${direction} ${target ?? '-'} ${was === undefined ? '' : `${was.kind}→${now?.kind ?? ''} `}${callers.join(',')}${what === undefined ? '' : `: ${what}`}`;

describe('two policies', () => {
  it('that say the same do not differ, wherever they lie', (t) => {
    const text = `${tools}args = { path = { within = "." } }\n${reading}${writing()}`;
    assert.deepEqual(diff(t, text, text).differences, []);
  });

  it('differ where one opens what the other closes, and that comes first', (t) => {
    const { differences } = diff(
      t,
      tools + reading + rule('no', 'deny', 'tools = ["x"]'),
      tools + rule('reading', 'allow', 'tools = ["write"]'),
    );
    assert.deepEqual(differences.map(line), [
      'loosened tool write deny→allow a-stranger',
      'tightened tool read allow→deny a-stranger',
    ]);
    assert.equal(differences[0]?.now?.place?.line, 11);
  });

  it('are asked about each caller that either names, a sample of each pattern, and each role', (t) => {
    const roles = '[listen]\nport = 8377\n[roles]\neditor = ["ed", "ad-*"]\n';
    const more = rule('more', 'allow', 'tools = ["write"]\nroles = ["editor"]');
    const { differences } = diff(t, tools + reading, tools + reading + more, [roles, roles]);
    assert.deepEqual(differences.map(line), ['loosened tool write deny→allow ed,ad-x']);
  });

  it('are asked with the arguments of every example', (t) => {
    const kase =
      '[[case]]\nname = "c"\ncaller = "ana"\ntool = "read"\nargs = { path = "/b" }\nexpect = "allow"\n';
    const old = tools + reading + kase;
    const next =
      tools + reading + rule('not b', 'deny', 'tools = ["read"]\nargs = { path = { equals = "/b" } }');
    const { differences } = diff(t, old, next);
    assert.ok(
      differences.some(({ args, direction }) => args === '{"path":"/b"}' && direction === 'tightened'),
    );
    assert.ok(
      differences.some(
        ({ what, direction }) => /^denied when new: path/.test(what ?? '') && direction === 'tightened',
      ),
    );
  });

  for (const [says, old, next, wanted] of [
    [
      'a condition that goes',
      tools + rule('r', 'allow', 'tools = ["read"]\nargs = { a = { max = 3 } }'),
      tools + rule('r', 'allow', 'tools = ["read"]'),
      /^loosened tool read allow→allow .*argument no longer: a/,
    ],
    [
      'a condition that comes',
      tools + rule('r', 'allow', 'tools = ["read"]'),
      tools + rule('r', 'allow', 'tools = ["read"]\nargs = { a = { max = 3 } }'),
      /^tightened tool read .*argument new: a/,
    ],
    [
      'a condition that is another one',
      tools + rule('r', 'allow', 'tools = ["read"]\nargs = { a = { max = 2 } }'),
      tools + rule('r', 'allow', 'tools = ["read"]\nargs = { a = { max = 3 } }'),
      /^changed tool read .*argument/,
    ],
    [
      'one approver less',
      tools + writing('approvals = 2'),
      tools + writing(),
      /^loosened tool write .*approvals 2 → 1/,
    ],
    [
      'another way to say yes',
      tools + writing(),
      tools + writing('ask = ["operator", "caller"]'),
      /^loosened tool write .*way to say yes new: caller/,
    ],
    [
      'a yes that lasts',
      tools + writing(),
      tools + writing('lease_max = "10m"'),
      /^loosened tool write .*a yes may last/,
    ],
    [
      'a rate that goes',
      tools + rule('r', 'allow', 'tools = ["read"]\nrate = "5/min"'),
      tools + rule('r', 'allow', 'tools = ["read"]'),
      /^loosened tool read .*rate no longer: 5\/min/,
    ],
    [
      'a later end',
      tools + rule('r', 'allow', 'tools = ["read"]\nuntil = 2028-01-01T00:00:00Z'),
      tools + rule('r', 'allow', 'tools = ["read"]\nuntil = 2029-01-01T00:00:00Z'),
      /^loosened tool read .*until 2028/,
    ],
    [
      'no end any more',
      tools + rule('r', 'allow', 'tools = ["read"]\nuntil = 2028-01-01T00:00:00Z'),
      tools + rule('r', 'allow', 'tools = ["read"]'),
      /^loosened tool read .*until 2028.*further notice/,
    ],
    [
      'a milder class',
      tools + writing(),
      tools.replace('risk = "write"', 'risk = "read"') + writing(),
      /^loosened - : \[tools."write"\]: risk write → read/,
    ],
    [
      'pins that are off',
      tools + reading,
      `pins = "off"\n${tools}${reading}`,
      /^loosened - : pins first → off/,
    ],
    [
      'a stage that only observes',
      tools + reading,
      `stage = "observe"\n${tools}${reading}`,
      /^loosened - : stage everyone → observe/,
    ],
    [
      'a limit that comes',
      tools + reading,
      `${tools}${reading}[limits]\nper_caller = "5/min"\n`,
      /^tightened - : limit new/,
    ],
    [
      'a redaction that comes',
      tools + reading,
      `${tools}${reading}[[redact]]\nname = "mail"\nwhat = ["email"]\n`,
      /^tightened - : redaction new/,
    ],
    [
      'another program',
      tools + reading,
      `args = ["-c", "true"]\n${tools}${reading}`,
      /^changed - : how it is run: args/,
    ],
    [
      'what would be said while it is only observed',
      `stage = "observe"\n${tools}${reading}`,
      `stage = "observe"\n${tools}${rule('reading', 'deny', 'tools = ["read"]')}`,
      /^changed tool read allow→allow a-stranger: enforced, it would be: allow → deny/,
    ],
  ] as const) {
    it(`${says} is a difference`, (t) => {
      const lines = diff(t, old, next).differences.map(line);
      assert.ok(
        lines.some((it) => wanted.test(it)),
        lines.join('\n'),
      );
    });
  }

  it('do not show what is in an environment', (t) => {
    const text = (value: string) => `${tools}${reading}[env]\nMODE = "${value}"\n`;
    const { differences } = diff(t, text('one-value'), text('other-value'));
    assert.deepEqual(differences.map(line), ['changed - : how it is run: env']);
  });

  it('differ by a server that only one has', (t) => {
    const old = policy(t, { files: launch + tools + reading });
    const next = policy(t, { files: launch + tools + reading, more: launch + tools + reading });
    const lines = compare(old, next, facts).differences.map(line);
    assert.deepEqual(lines, ['loosened tool read deny→allow a-stranger', 'changed - : the server is new']);
  });

  it('are not compared without end', (t) => {
    const names = Array.from({ length: 900 }, (_, at) => `"t${at}"`).join(',');
    const callers = Array.from({ length: 300 }, (_, at) => `"c${at}"`).join(',');
    const { leftOut, asked } = diff(
      t,
      tools + reading,
      tools + reading + rule('many', 'deny', `tools = [${names}]\ncallers = [${callers}]`),
    );
    assert.equal(leftOut, 101);
    assert.ok(asked <= 200 * 1000);
  });
});

describe('a copy of a folder', () => {
  it('is no difference even where its files name places in it', (t) => {
    const text = `${launch}cwd = ".."\n[paths]\nX = "../x"\n${tools}args = { path = { within = ".." } }\n${reading}`;
    const [was, now] = [policy(t, { files: text }), policy(t, { files: text })];
    assert.notEqual(was.dir, now.dir);
    assert.deepEqual(compare(was, now, facts).differences, []);
  });
});
