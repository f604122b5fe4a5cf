import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { loadPolicies } from '../../src/config/load.ts';
import { loadServer, plainDaemon, plainServer, put, said, scratch } from './scratch.ts';

const base = `purpose = "Files."
owner = "ana"
stage = "pilot"
pilots = ["ana", "team-*", "role:beta"]
[tools."read_*"]
risk = "read"
effect = "Reads."
[tools.write]
risk = "write"
effect = "Writes."
[limits]
per_caller = "100/min"
concurrent = 8
waiting = 4
[[rule]]
name = "reading"
verdict = "allow"
tools = ["read_*"]
resources = ["file:///pub/*"]
[[rule]]
name = "writing"
verdict = "confirm"
tools = ["write"]
callers = ["ana"]
args = { path = { like = "/tmp/*" } }
[[case]]
name = "reading"
caller = "ana"
tool = "read_x"
expect = "allow"
`;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const daemon = `${plainDaemon}[roles]\nbeta = ["b"]\n`;

function load(t: TestContext, own: string, text = base, pin = sha256(text)) {
  const dir = scratch(t);
  const extension = `extends = { file = "../base/files.toml", sha256 = "${pin}" }\n`;
  put(dir, { 'mcpd.toml': daemon, 'base/files.toml': text, 'servers/x.toml': plainServer + extension + own });
  return loadPolicies(dir, { HOME: '/h' });
}

function merged(t: TestContext, own: string, text = base) {
  const loaded = load(t, own, text);
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const [server] = loaded.servers;
  assert.ok(server);
  return server;
}

test('a file has everything that its base says', (t) => {
  const server = merged(t, '');
  assert.equal(server.contract.purpose, 'Files.');
  assert.equal(server.contract.owner, 'ana');
  assert.deepEqual(server.contract.pilots, ['ana', 'team-*', 'role:beta']);
  assert.equal(server.contract.stage, 'pilot');
  assert.deepEqual(
    [server.tools.length, server.rules.length, server.limits.length, server.cases.length],
    [2, 2, 2, 1],
  );
  assert.match(server.rules[0]?.place.file ?? '', /base\/files\.toml$/);
  assert.equal(server.rules[0]?.place.line, 15);
});

test('what a file adds comes on top', (t) => {
  const server = merged(
    t,
    `purpose = "Other files."
[tools.read_secret]
risk = "destructive"
effect = "Reads what it should not."
[limits]
per_caller = ["10/min", "100/min"]
concurrent = 2
per_tool = "5/min"
[[rule]]
name = "not these"
verdict = "deny"
tools = ["*secret*"]
[[rule]]
name = "ask"
verdict = "confirm"
tools = ["read_big_*"]
[[case]]
name = "reading"
caller = "ana"
tool = "read_x"
expect = "confirm"
`,
  );
  assert.equal(server.contract.purpose, 'Other files.');
  assert.deepEqual(
    server.rules.map(({ name }) => name),
    ['reading', 'writing', 'not these', 'ask'],
  );
  assert.deepEqual(
    server.limits.map(({ name, rates, concurrency, waiting }) => [
      name,
      rates.map(({ text }) => text),
      concurrency,
      waiting,
    ]),
    [
      ['per caller', ['100/min', '10/min'], undefined, 0],
      ['per server', [], 2, 0],
      ['per tool', ['5/min'], undefined, 0],
    ],
  );
  assert.deepEqual(
    server.cases.map(({ expect }) => expect),
    ['confirm'],
    'its own case takes the place of the one in the base',
  );
});

const rule = (verdict: string, lines: string) => `[[rule]]\nname = "own"\nverdict = "${verdict}"\n${lines}\n`;

/** What a file may not say, because it would open what the base keeps closed. */
const loosening: readonly (readonly [string, string, RegExp])[] = [
  ['an allow', rule('allow', 'tools = ["read_x"]'), /x\.toml:5:11: a file that extends can only restrict/],
  ['an observed allow', rule('allow', 'tools = ["read_x"]\nmode = "observe"'), /can only restrict/],
  [
    'a question about what is closed',
    rule('confirm', 'tools = ["move"]'),
    /x\.toml:6:10: no rule of the base allows "move"/,
  ],
  [
    'a question about more than is open',
    rule('confirm', 'tools = ["re*"]'),
    /no rule of the base allows "re\*"/,
  ],
  [
    'a question to more than are let in',
    rule('confirm', 'tools = ["write"]'),
    /no rule of the base allows "write" to all/,
  ],
  [
    'a question with fewer conditions',
    rule('confirm', 'tools = ["write"]\ncallers = ["ana"]'),
    /no rule of the base allows "write"/,
  ],
  [
    'a question with another condition',
    rule('confirm', 'tools = ["write"]\ncallers = ["ana"]\nargs = { path = { like = "*" } }'),
    /no rule of the base allows "write"/,
  ],
  [
    'a question about more resources',
    rule('confirm', 'resources = ["file:///pub/**"]'),
    /no rule of the base allows "file:\/\/\/pub\/\*\*"/,
  ],
  [
    'a class for what has none',
    '[tools.move]\nrisk = "read"\neffect = "Moves."\n',
    /x\.toml:3:8: the base has no class for every tool that "move" fits/,
  ],
  [
    'a class for everything',
    '[tools."*"]\nrisk = "read"\neffect = "All."\n',
    /the base has no class for every tool that "\*" fits/,
  ],
  [
    'trying again',
    '[tools.read_x]\nrisk = "read"\neffect = "R."\nidempotent = true\nretry = { times = 1 }\n',
    /x\.toml:7:1: a file that extends can only restrict/,
  ],
  ['observing', 'mode = "observe"\n', /x\.toml:3:8: this would loosen/],
  ['the stage of observing', 'stage = "observe"\n', /x\.toml:3:9: stage "observe" would loosen/],
  ['another stage', 'stage = "read-only"\n', /the base says "pilot", and a server has one stage/],
  ['further pilots', 'pilots = ["ana", "bob"]\n', /x\.toml:3:18: "bob" is no pilot of the base/],
  ['all pilots', 'pilots = ["*"]\n', /"\*" is no pilot of the base/],
  ['a pilot by another role', 'pilots = ["role:gamma"]\n', /"role:gamma" is no pilot of the base/],
  ['no pinning', 'pins = "off"\n', /x\.toml:3:8: this would loosen/],
  ['unchecked arguments', 'check_arguments = false\n', /x\.toml:3:19: this would loosen/],
  [
    'a rule by a name of the base',
    `${rule('deny', 'tools = ["a"]').replace('own', 'reading')}`,
    /x\.toml:4:8: duplicate: a rule of the base is named "reading"/,
  ],
];
for (const [name, own, expected] of loosening) {
  test(`a file that extends may not loosen: ${name}`, (t) => {
    const loaded = load(t, own);
    assert.match(said(loaded).join('\n'), expected);
    assert.equal(loaded.ok, false);
  });
}

test('a graver class is refused where a rule of the base makes it a way out', (t) => {
  const rules = (verdict: string, risk: string) =>
    `owner = "ana"\n[tools."*"]\nrisk = "read"\neffect = "Anything."\n[[rule]]\nname = "r"\nverdict = "${verdict}"\ntools = ["*"]\nrisk = ["${risk}"]\n`;
  const graver = '[tools.a]\nrisk = "write"\neffect = "Writes."\n';
  const lines = (text: string) => said(load(t, graver, text)).join('\n');
  assert.match(
    lines(rules('deny', 'read')),
    /x\.toml:4:8: the rule "r" of the base is milder with class "write"/,
  );
  assert.match(lines(rules('allow', 'write')), /the rule "r" of the base is milder with class "write"/);
  assert.ok(load(t, graver, rules('allow', 'read')).ok, 'it only closes');
  assert.ok(load(t, graver, rules('deny', 'write')).ok, 'it only closes');
  const asked =
    rules('allow', 'read') +
    rules('confirm', 'write').slice(rules('', '').indexOf('[[rule]]')).replace('"r"', '"s"');
  assert.ok(load(t, graver, asked).ok, 'what was allowed is asked about');
});

test('a file that extends may tighten', (t) => {
  assert.deepEqual(merged(t, 'pilots = ["team-a", "role:beta"]\n').contract.pilots, ['team-a', 'role:beta']);
  assert.equal(merged(t, 'pins = "approved"\n').contract.pins, 'approved');
  const narrow =
    'tools = ["write"]\ncallers = ["ana"]\nargs = { path = { like = "/tmp/*" }, size = { max = 5 } }';
  assert.equal(merged(t, rule('confirm', narrow)).rules.length, 3);
  assert.equal(merged(t, rule('confirm', 'resources = ["file:///pub/a"]')).rules.length, 3);
  assert.equal(merged(t, 'stage = "everyone"\n').contract.stage, 'pilot', 'the base holds');
  const open = base.replace(/stage = "pilot"\npilots = .*\n/, '');
  assert.equal(merged(t, 'stage = "read-only"\n', open).contract.stage, 'read-only');
  assert.equal(
    merged(
      t,
      'stage = "everyone"\n',
      base.replace('stage = "pilot"', 'stage = "observe"').replace(/pilots = .*\n/, ''),
    ).contract.mode,
    'enforce',
  );
});

test('a rule of the base that only observes opens nothing for a question', (t) => {
  const observed = base.replace(
    'name = "reading"\nverdict = "allow"',
    'name = "reading"\nverdict = "allow"\nmode = "observe"',
  );
  const loaded = load(t, rule('confirm', 'tools = ["read_x"]'), observed);
  assert.match(said(loaded).join('\n'), /no rule of the base allows "read_x"/);
});

test('another base than the pinned one is refused, and its digest is told', (t) => {
  const found = sha256(base);
  const loaded = load(t, '', base, '0'.repeat(64));
  assert.equal(loaded.ok, false);
  assert.match(
    said(loaded).join('\n'),
    new RegExp(
      `x\\.toml:2:\\d+: \\S*files\\.toml is another file than the pinned one: its SHA-256 is ${found}`,
    ),
  );
});

test('a base says nothing about one server, and extends nothing', (t) => {
  const loaded = load(
    t,
    '',
    `command = "x"\n[env]\nA = "1"\n[extends]\nfile = "y.toml"\nsha256 = "${'0'.repeat(64)}"\n`,
  );
  const lines = said(loaded).join('\n');
  assert.match(lines, /^base\/files\.toml:1:1: "command" says how to run one server/m);
  assert.match(lines, /^base\/files\.toml:2:2: "env" says how to run one server/m);
  assert.match(lines, /^base\/files\.toml:4:2: a base extends nothing/m);
  assert.doesNotMatch(lines, /unknown key/);
});

test('what is wrong with a base is told at its place there, once', (t) => {
  const dir = scratch(t);
  const broken = base
    .replace('verdict = "allow"', 'verdict = "alow"')
    .replace('"ana"\ntool', '"ana"\nroles = ["gone"]\ntool');
  const own = `${plainServer}extends = { file = "../base/files.toml", sha256 = "${sha256(broken)}" }\n`;
  put(dir, { 'mcpd.toml': daemon, 'base/files.toml': broken, 'servers/a.toml': own, 'servers/b.toml': own });
  const lines = said(loadPolicies(dir, { HOME: '/h' }));
  assert.deepEqual(
    lines.filter((line) => line.startsWith('base/')),
    [
      'base/files.toml:17:11: bad value for "verdict" — did you mean "allow"?',
      'base/files.toml:29:9: no role is called "gone" — expected a line gone = ["CALLER"] under [roles] in mcpd.toml',
    ],
  );
});

test('a base that is not there, no file, or no TOML is an error', (t) => {
  const at = (file: string) => `${plainServer}extends = { file = "${file}", sha256 = "${'0'.repeat(64)}" }\n`;
  assert.match(
    said(loadServer(t, at('../base/no.toml'))).join('\n'),
    /^base\/no\.toml:1:1: does not exist[^]*^servers\/x\.toml:2:20: the base cannot be read/m,
  );
  assert.match(said(loadServer(t, at('../servers'))).join('\n'), /not a regular file/);
  assert.match(said(load(t, '', 'a = \n')).join('\n'), /base\/files\.toml:1:\d+: not valid TOML/);
  assert.match(
    said(loadServer(t, `${plainServer}extends = { file = "x" }\n`)).join('\n'),
    /missing key "sha256"/,
  );
  assert.match(said(loadServer(t, `${plainServer}extends = "x"\n`)).join('\n'), /wrong type for "extends"/);
});

test('the base is among the files, has its digest, and is part of what names the policy', (t) => {
  const dir = scratch(t);
  const own = (text: string) =>
    `${plainServer}extends = { file = "../base/files.toml", sha256 = "${sha256(text)}" }\n`;
  const digest = (text: string) => {
    put(dir, { 'mcpd.toml': daemon, 'base/files.toml': text, 'servers/x.toml': own(base) });
    const loaded = loadPolicies(dir, { HOME: '/h' });
    return loaded.ok ? loaded.digest : undefined;
  };
  const before = digest(base);
  assert.ok(before);
  assert.equal(digest(`${base}# changed\n`), undefined);
  assert.equal(digest(base), before);
  const loaded = loadPolicies(dir, { HOME: '/h' });
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.bases, [{ file: join(dir, 'base/files.toml'), sha256: sha256(base) }]);
  assert.ok(loaded.files.includes(join(dir, 'base/files.toml')));
});

test('a complaint that is found later gets its place in the base', (t) => {
  const loaded = load(t, rule('deny', 'tools = ["a"]'));
  assert.ok(loaded.ok);
  const file = loaded.servers[0]?.file ?? '';
  const placed = (name: string) => {
    const { file: at, line, column } = loaded.complainAt(file, name, 'x');
    return `${at.replace(/.*\/(?=\w+\/)/, '')}:${String(line)}:${String(column)}`;
  };
  assert.equal(placed('writing'), 'base/files.toml:20:3');
  assert.equal(placed('own'), 'servers/x.toml:3:3');
});
