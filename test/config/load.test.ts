import { usualCare } from '../../src/domain/care.ts';
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { loadPolicies } from '../../src/config/load.ts';
import { loadDaemon, loadServer, plainDaemon, plainServer, put, said, scratch } from './scratch.ts';

const rule = (lines: string) => `${plainServer}[[rule]]\nname = "r"\nverdict = "allow"\n${lines}\n`;

test('a plain server file gets the documented defaults', (t) => {
  const loaded = loadServer(t, rule('tools = ["a", "b_*"]'));
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const [server] = loaded.servers;
  assert.ok(server);
  const { cwd, ...spec } = server.spec;
  assert.match(cwd, /servers$/);
  assert.match(spec.command, /^\/.*\/cat$/);
  assert.deepEqual(
    { ...spec, command: '' },
    {
      name: 'x',
      command: '',
      args: [],
      env: {},
      secrets: {},
      sharing: 'session',
      concurrency: 32,
      protocol: 'auto',
      idleMs: 600_000,
      spare: 0,
      waitingMax: 256,
      answerWithinMs: 60_000,
      answerWithinMsMax: 3_600_000,
      care: usualCare,
      startWithinMs: 20_000,
      childrenMax: 64,
      lineBytesMax: 16 * 1024 * 1024,
      wall: {
        sandbox: 'auto',
        network: false,
        read: [],
        write: [],
        resources: {
          memoryBytesMax: 2 ** 31,
          tmpBytesMax: 2 ** 28,
          openFilesMax: 4096,
          processesMax: 1024,
          cpuMsMax: 86_400_000,
          output: { bytesMax: 2 ** 32, perMs: 60_000 },
        },
      },
    },
  );
  assert.deepEqual(server.rules, [
    {
      name: 'r',
      verdict: 'allow',
      mode: 'enforce',
      callers: undefined,
      roles: undefined,
      surfaces: undefined,
      tools: ['a', 'b_*'],
      risk: undefined,
      resources: [],
      prompts: [],
      upcalls: [],
      methods: [],
      args: [],
      untilMs: undefined,
      record: [],
      rates: [],
      asking: {
        channels: [{ kind: 'operator' }],
        approvals: 1,
        answerWithinMs: 55_000,
        leaseMsMax: 0,
        leaseSame: [],
      },
      place: { file: server.file, line: 2 },
    },
  ]);
  assert.deepEqual(server.contract, {
    purpose: undefined,
    owner: undefined,
    outOfScope: undefined,
    stage: 'everyone',
    pilots: [],
    mode: 'enforce',
    pins: 'first',
    checkArguments: true,
  });
  for (const none of [server.tools, server.limits, server.redact, server.cases]) assert.deepEqual(none, []);
  assert.equal(server.recordPayloads, false);
});

test('a child that all share has more calls at once by default', (t) => {
  const loaded = loadServer(t, `${plainServer}sharing = "all"\n`);
  assert.equal(loaded.ok && loaded.servers[0]?.spec.concurrency, 64);
});

/** Text of a server file → what a person reads. */
const refused: readonly (readonly [string, string | Buffer, RegExp])[] = [
  [
    'an unknown key',
    rule('tool = ["a"]'),
    /^servers\/x\.toml:5:1: unknown key "tool" — did you mean "tools"\?$/m,
  ],
  [
    'an unknown table',
    `${plainServer}[limts]\n`,
    /^servers\/x\.toml:2:2: unknown key "limts" — did you mean "limits"\?$/m,
  ],
  [
    'a stranger among the keys',
    `${plainServer}banana = 1\n`,
    /^servers\/x\.toml:2:1: unknown key "banana" — expected one of command, args/m,
  ],
  [
    'an inherited name as a key',
    `${plainServer}constructor = 1\ntoString = 2\n`,
    /unknown key "constructor"[^]*unknown key "toString"/,
  ],
  ['a wrong type', rule('tools = "a"'), /^servers\/x\.toml:5:9: wrong type for "tools" — expected a list/m],
  ['a wrong type in a list', rule('tools = ["a", 5]'), /^servers\/x\.toml:5:15: wrong type for "tools"/m],
  [
    'a table where a list belongs',
    `${plainServer}[rule]\nname = "x"\n`,
    /^servers\/x\.toml:2:2: wrong type for "rule" — expected rules, each under \[\[rule\]\]/m,
  ],
  ['no command', '[limits]\n', /^servers\/x\.toml:1:1: missing key "command" — expected a program/m],
  [
    'a rule without a verdict',
    `${plainServer}[[rule]]\nname = "r"\ntools = ["a"]\n`,
    /^servers\/x\.toml:2:3: missing key "verdict" — expected one of "allow"/m,
  ],
  [
    'a verdict that does not exist',
    `${plainServer}[[rule]]\nname = "r"\nverdict = "maybe"\ntools = ["a"]\n`,
    /^servers\/x\.toml:4:11: bad value for "verdict" — expected one of "allow", "deny", "confirm"/m,
  ],
  ['a rule without a target', rule(''), /^servers\/x\.toml:2:3: rule "r" names no target/m],
  ['a rule with empty targets', rule('tools = []'), /rule "r" names no target/],
  ['a rule for nobody', rule('tools = ["a"]\ncallers = []'), /^servers\/x\.toml:6:11: a rule for nobody/m],
  [
    'a bad rate',
    rule('tools = ["a"]\nrate = "10 per minute"'),
    /^servers\/x\.toml:6:8: bad value for "rate" — expected a rate such as "5\/s"/m,
  ],
  [
    'a rate as a number',
    rule('tools = ["a"]\nrate = 10'),
    /^servers\/x\.toml:6:8: wrong type for "rate" — expected a rate/m,
  ],
  ['an empty pattern', rule('tools = [""]'), /^servers\/x\.toml:5:10: bad value for "tools"/m],
  ['an endless pattern', rule(`tools = ["${'a'.repeat(513)}"]`), /bad value for "tools"/],
  [
    'a wait as long as a yes may take to be forgotten',
    `${plainServer}[[rule]]\nname = "r"\nverdict = "confirm"\ntools = ["a"]\nanswer_within = "10m"\n`,
    /^servers\/x\.toml:6:17: bad value for "answer_within"/m,
  ],
  [
    'a wait where nobody is asked',
    rule('tools = ["a"]\nanswer_within = "5s"'),
    /"answer_within" means nothing with verdict "allow"/,
  ],
  [
    'a rate for what is denied',
    `${plainServer}[[rule]]\nname = "r"\nverdict = "deny"\ntools = ["a"]\nrate = "5\/s"\n`,
    /"rate" means nothing with verdict "deny"/,
  ],
  [
    'an upcall that would wait for a yes',
    `${plainServer}[[rule]]\nname = "r"\nverdict = "confirm"\nupcalls = ["roots/list"]\n`,
    /^servers\/x\.toml:5:11: a message from a server cannot be held/m,
  ],
  [
    'two rules of one name',
    `${rule('tools = ["a"]')}[[rule]]\nname = "r"\nverdict = "deny"\ntools = ["b"]\n`,
    /^servers\/x\.toml:7:8: duplicate: another rule is named "r"/m,
  ],
  ['a key twice', `${plainServer}command = "/bin/ls"\n`, /^servers\/x\.toml:2:1: duplicate/m],
  [
    'a program that is not there',
    'command = "./nothing-here"\n',
    /^servers\/x\.toml:1:11: no program at \S*nothing-here — expected an existing program/m,
  ],
  [
    'a folder that is not there',
    `${plainServer}cwd = "../nowhere"\n`,
    /^servers\/x\.toml:2:7: no folder at /m,
  ],
  [
    'a reference among the literals',
    `${plainServer}[env]\nT = "keychain:github-token"\n`,
    /^servers\/x\.toml:3:5: the value of "T" looks like a secret reference — expected literal text here: move the line to \[secrets\]/m,
  ],
  [
    'a bad variable name',
    `${plainServer}[env]\n"A=B" = "1"\n`,
    /^servers\/x\.toml:3:1: bad variable name "A=B"/m,
  ],
  [
    'a variable in two tables',
    `${plainServer}[env]\nT = "1"\n[secrets]\nT = "keychain:t"\n`,
    /^servers\/x\.toml:5:1: duplicate: "T" is also in \[env\]/m,
  ],
  ['no TOML at all', '{"command": "sh"}', /^servers\/x\.toml:1:1: not valid TOML/m],
  ['an empty file', '# nothing\n', /missing key "command"/],
  [
    'broken UTF-8',
    Buffer.from([...Buffer.from('# ok\n# '), 0xff, 0x0a]),
    /^servers\/x\.toml:2:1: not valid UTF-8/m,
  ],
  [
    'a file without end',
    Buffer.alloc(1024 * 1024 + 1, '#'),
    /^servers\/x\.toml:1:1: 1048577 bytes — expected at most 1 MiB/m,
  ],
  [
    'a number out of bounds',
    `${plainServer}concurrency = 0\n`,
    /^servers\/x\.toml:2:15: bad value for "concurrency" — expected a whole number from 1 to/m,
  ],
  ['a number that is not whole', `${plainServer}concurrency = 1.5\n`, /wrong type for "concurrency"/],
  ['no number', `${plainServer}concurrency = nan\n`, /wrong type for "concurrency"/],
];
for (const [name, text, expected] of refused) {
  test(`${name} is refused at its place`, (t) => {
    const loaded = loadServer(t, text);
    assert.equal(loaded.ok, false);
    assert.match(said(loaded).join('\n'), expected);
  });
}

test('a file whose shape is wrong is searched for everything else as well', (t) => {
  const text = [
    'command = "./missing"',
    'concurrency = "many"',
    '[secrets]',
    'T = "hunter2"',
    '[[rule]]',
    'name = "a"',
    'verdict = "alow"',
    'tools = ["x"]',
    '[[rule]]',
    'name = "b"',
    'verdict = "deny"',
  ].join('\n');
  const loaded = loadServer(t, text);
  assert.equal(loaded.ok, false);
  const places = said(loaded).map((line) => line.split(' ')[0]);
  assert.deepEqual(places.sort(), [
    'servers/x.toml:1:11:',
    'servers/x.toml:2:15:',
    'servers/x.toml:4:5:',
    'servers/x.toml:7:11:',
    'servers/x.toml:9:3:',
  ]);
  assert.match(said(loaded).join('\n'), /bad value for "verdict" — did you mean "allow"\?/);
});

test('a secret pasted where a reference belongs is not repeated', (t) => {
  for (const table of ['secrets', 'env', 'limits']) {
    const loaded = loadServer(t, `${plainServer}[${table}]\nTOKEN = "ghp_hunter2hunter2"\n`);
    assert.ok(said(loaded).length > 0);
    assert.doesNotMatch(said(loaded).join('\n'), /hunter2/);
  }
});

test('a plain-text secret is a warning, which stops nothing', (t) => {
  const loaded = loadServer(t, `${plainServer}[env]\nGITHUB_TOKEN = "abc"\n`);
  assert.ok(loaded.ok);
  assert.match(
    said(loaded).join('\n'),
    /^servers\/x\.toml:3:16: warning: "GITHUB_TOKEN" may be a secret in plain text/m,
  );
});

test('relative paths count from the folder of the server file', (t) => {
  const dir = scratch(t);
  const text = `${plainServer}cwd = "../data"\n[paths]\nSTORE = "../data/store.json"\n[secrets]\nA = "file:key"\nB = "file:/abs/key"\nC = { from = "keychain:c/d", ttl = "1h" }\n`;
  put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': text, 'data/README': '' });
  const loaded = loadPolicies(relative(process.cwd(), dir), { HOME: '/home/nobody' });
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const spec = loaded.servers[0]?.spec;
  assert.equal(spec?.cwd, join(dir, 'data'));
  assert.deepEqual(spec.env, { STORE: join(dir, 'data/store.json') });
  assert.deepEqual(spec.secrets, {
    A: { reference: `file:${join(dir, 'servers/key')}`, ttlMs: undefined },
    B: { reference: 'file:/abs/key', ttlMs: undefined },
    C: { reference: 'keychain:c/d', ttlMs: 3_600_000 },
  });
});

test('all complaints of all files are told at once', (t) => {
  const dir = scratch(t);
  put(dir, {
    'mcpd.toml': '[listen]\nport = 0\nhots = "x"\n',
    'servers/a.toml': 'comand = "x"\n[[rule]]\nname = ""\n',
    'servers/b.toml': 'command = \n',
    'servers/C.toml': plainServer,
  });
  const lines = said(loadPolicies(dir, { HOME: '/home/nobody' })).join('\n');
  for (const expected of [
    /port/,
    /"hots" — did you mean "host"/,
    /"comand" — did you mean "command"/,
    /"verdict"/,
    /b\.toml:1:\d+: not valid TOML/,
    /C\.toml:1:1: bad server name/,
  ]) {
    assert.match(lines, expected);
  }
});

test('nothing there is an error, never an open door', (t) => {
  const dir = scratch(t);
  const lines = () => said(loadPolicies(join(dir, 'p'), { HOME: '/home/nobody' })).join('\n');
  assert.match(lines(), /p:1:1: does not exist/);
  put(dir, { 'p/servers/x.toml': plainServer });
  assert.match(lines(), /mcpd\.toml:1:1: does not exist/);
  put(dir, { 'p/mcpd.toml': '# all defaults?\n' });
  assert.match(lines(), /mcpd\.toml:1:1: the file says nothing/);
  put(dir, { 'p/mcpd.toml': plainDaemon });
  rmSync(join(dir, 'p/servers/x.toml'));
  assert.match(lines(), /servers:1:1: no server files/);
  rmSync(join(dir, 'p/servers'), { recursive: true });
  assert.match(lines(), /servers:1:1: does not exist/);
});

test('what anyone may write to is refused, with what to type', (t) => {
  const dir = scratch(t);
  put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': plainServer });
  const lines = () => said(loadPolicies(dir, { HOME: '/home/nobody' })).join('\n');
  for (const path of ['servers/x.toml', 'mcpd.toml', 'servers']) {
    chmodSync(join(dir, path), 0o777);
    assert.match(
      lines(),
      /anyone on this machine may write to it — expected others to be kept out: type chmod o-w/,
      path,
    );
    chmodSync(join(dir, path), path === 'servers' ? 0o755 : 0o644);
  }
  assert.equal(loadPolicies(dir, { HOME: '/home/nobody' }).ok, true);
});

test('links that go round in a circle, and folders in place of files, are refused', (t) => {
  const dir = scratch(t);
  put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': plainServer });
  symlinkSync('loop.toml', join(dir, 'servers/loop.toml'));
  mkdirSync(join(dir, 'servers/folder.toml'));
  const lines = said(loadPolicies(dir, { HOME: '/home/nobody' })).join('\n');
  assert.match(lines, /loop\.toml:1:1: its symbolic links go round in a circle/);
  assert.match(lines, /folder\.toml:1:1: not a regular file/);
});

test('servers and rules are counted', (t) => {
  const dir = scratch(t);
  const many = Array.from(
    { length: 1001 },
    (_, at) => `[[rule]]\nname = "r${String(at)}"\nverdict = "deny"\ntools = ["a"]\n`,
  );
  put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': plainServer + many.join('') });
  assert.match(
    said(loadPolicies(dir, { HOME: '/h' })).join('\n'),
    /1001 rules in all files together — expected at most 1000/,
  );
  for (let at = 0; at < 65; at += 1) put(dir, { [`servers/s${String(at)}.toml`]: plainServer });
  assert.match(said(loadPolicies(dir, { HOME: '/h' })).join('\n'), /66 server files — expected at most 64/);
});

test('the digest names the bytes: a comment changes it, a second look does not', (t) => {
  const dir = scratch(t);
  put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': plainServer });
  const digest = () => {
    const loaded = loadPolicies(dir, { HOME: '/h' });
    assert.ok(loaded.ok);
    return loaded.digest;
  };
  const before = digest();
  assert.match(before, /^[0-9a-f]{12}$/);
  assert.equal(digest(), before);
  writeFileSync(join(dir, 'mcpd.toml'), `${plainDaemon}# x\n`);
  assert.notEqual(digest(), before);
});

test('callers without a key need the whole sentence, and loopback', (t) => {
  const sentence = '[callers]\nwithout_key = "anyone on this machine may call"\n';
  const open = loadDaemon(t, sentence);
  assert.equal(open.ok && open.daemon.callersWithoutKey, 'allowed');
  for (const host of ['localhost', '::1', '127.0.0.2'])
    assert.ok(loadDaemon(t, `[listen]\nhost = "${host}"\n${sentence}`).ok, host);
  for (const host of ['0.0.0.0', '::', '192.168.1.5']) {
    assert.match(
      said(loadDaemon(t, `[listen]\nhost = "${host}"\n${sentence}`)).join('\n'),
      /mcpd\.toml:4:15: callers without a key cannot be allowed/,
    );
  }
  for (const value of [
    'true',
    '"true"',
    '"Anyone on this machine may call"',
    '1',
    '""',
    '["anyone on this machine may call"]',
  ]) {
    const lines = said(loadDaemon(t, `[callers]\nwithout_key = ${value}\n`)).join('\n');
    assert.match(
      lines,
      /mcpd\.toml:2:15: bad value for "without_key" — expected the sentence "anyone on this machine may call"/,
      value,
    );
  }
  for (const text of [plainDaemon, '[callers]\nwithout_key = false\n', '[callers]\n']) {
    const closed = loadDaemon(t, text);
    assert.equal(closed.ok && closed.daemon.callersWithoutKey, 'refused');
  }
});

test('hosts and origins are exact: no star, no path, no number that means an address', (t) => {
  for (const host of [
    '*',
    'example',
    '127.1',
    '0x7f000001',
    '2130706433',
    '127.0.0.1:80',
    'http://127.0.0.1',
    '256.1.1.1',
    '',
  ]) {
    assert.equal(loadDaemon(t, `[listen]\nhost = "${host}"\n`).ok, false, host);
  }
  for (const host of ['*', '*.example', 'http://a', 'a/b', 'a b', '']) {
    assert.equal(loadDaemon(t, `[listen]\nallowed_hosts = ["${host}"]\n`).ok, false, host);
  }
  for (const origin of [
    '*',
    'null',
    'https://a/',
    'https://a/b',
    'HTTPS://a',
    'https://a:443',
    'a',
    'file://',
    '',
  ]) {
    assert.equal(loadDaemon(t, `[listen]\nallowed_origins = ["${origin}"]\n`).ok, false, origin);
  }
  const loaded = loadDaemon(
    t,
    '[listen]\nallowed_hosts = ["MCPD.example:8377", "[::1]:80"]\nallowed_origins = ["https://a.example"]\n',
  );
  assert.ok(loaded.ok, said(loaded).join('\n'));
  assert.deepEqual(loaded.daemon.listen.allowedHosts, ['mcpd.example:8377', '[::1]:80']);
});

test('listening where other machines can reach is a warning', (t) => {
  const loaded = loadDaemon(t, '[listen]\nhost = "0.0.0.0"\n');
  assert.ok(loaded.ok);
  assert.match(
    said(loaded).join('\n'),
    /mcpd\.toml:2:8: warning: "0\.0\.0\.0" can be reached from other machines/,
  );
});

test('a complaint that is found later still gets its place', (t) => {
  const loaded = loadServer(t, rule('tools = ["a"]'));
  assert.ok(loaded.ok);
  const file = loaded.servers[0]?.file ?? '';
  assert.deepEqual(
    { ...loaded.complainAt(file, 'r', 'x'), file: '' },
    { severity: 'error', file: '', line: 2, column: 3, what: 'rule "r": x', expected: '' },
  );
  assert.equal(loaded.complainAt(file, undefined, 'x').line, 1);
});
