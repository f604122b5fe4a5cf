import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusedAtTheirPlaces } from './refused.ts';
import { loadDaemon, loadServer, plainDaemon, plainServer, put, said, scratch } from './scratch.ts';
import { loadPolicies } from '../../src/config/load.ts';

const rule = (verdict: string, lines: string) =>
  `[[rule]]\nname = "r"\nverdict = "${verdict}"\ntools = ["a"]\n${lines}\n`;

test('every key of a rule is read as it was meant', (t) => {
  const dir = scratch(t);
  put(dir, {
    'mcpd.toml': `${plainDaemon}[roles]\nreviewer = ["ana", "bob-*"]\n[webhooks.chat]\nurl = "http://127.0.0.1:9/x"\nsecret = "file:hook"\n`,
    'servers/x.toml':
      plainServer +
      rule(
        'confirm',
        [
          'mode = "observe"',
          'callers = ["ana"]',
          'roles = ["reviewer"]',
          'surfaces = ["tool", "task"]',
          'risk = ["read", "write"]',
          'until = 2026-12-31T01:00:00+01:00',
          'rate = ["10/min", "600/h burst 20"]',
          'ask = ["caller", "webhook:chat"]',
          'approvals = 2',
          'answer_within = "5m"',
          'lease_max = "10m"',
          'lease_same = ["path"]',
        ].join('\n'),
      ),
  });
  const loaded = loadPolicies(dir, { HOME: '/h' });
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const written = loaded.servers[0]?.rules[0];
  assert.ok(written);
  assert.deepEqual(
    { ...written, place: undefined },
    {
      name: 'r',
      verdict: 'confirm',
      mode: 'observe',
      callers: ['ana'],
      roles: ['reviewer'],
      surfaces: ['tool', 'task'],
      tools: ['a'],
      risk: ['read', 'write'],
      resources: [],
      prompts: [],
      upcalls: [],
      methods: [],
      args: [],
      untilMs: Date.UTC(2026, 11, 31),
      record: [],
      rates: [
        { count: 10, perMs: 60_000, text: '10/min' },
        { count: 600, perMs: 3_600_000, text: '600/h' },
        { count: 20, perMs: 120_000, text: 'burst of 20 (600/h)' },
      ],
      asking: {
        channels: [{ kind: 'caller' }, { kind: 'webhook', name: 'chat' }],
        approvals: 2,
        answerWithinMs: 300_000,
        leaseMsMax: 600_000,
        leaseSame: ['path'],
      },
      place: undefined,
    },
  );
  assert.equal(written.place.line, 2);
  assert.deepEqual(loaded.daemon.roles, [['reviewer', ['ana', 'bob-*']]]);
  assert.equal(loaded.daemon.webhooks[0]?.name, 'chat');
  assert.match(loaded.daemon.webhooks[0].secret, /^file:\/.*\/hook$/);
});

refusedAtTheirPlaces([
  [
    'a denial that runs out',
    rule('deny', 'until = 2026-12-31T00:00:00Z'),
    /x\.toml:6:1: "until" means nothing with verdict "deny"/,
  ],
  [
    'a moment in quotes',
    rule('allow', 'until = "2026-12-31T00:00:00Z"'),
    /x\.toml:6:9: wrong type for "until" — expected a time with its offset and without quotes/,
  ],
  [
    'a moment nobody can tell',
    rule('allow', 'until = 2026-12-31T00:00:00'),
    /x\.toml:6:9: wrong type for "until": a date or time without its offset/,
  ],
  ['a day', rule('allow', 'until = 2026-12-31'), /a date or time without its offset/],
  [
    'a moment as a name',
    rule('allow', 'callers = [2026-12-31T00:00:00Z]'),
    /x\.toml:6:12: wrong type for "callers"/,
  ],
  [
    'asking where nobody is asked',
    rule('allow', 'ask = "operator"'),
    /"ask" means nothing with verdict "allow"/,
  ],
  [
    'approvals where nobody is asked',
    rule('deny', 'approvals = 2'),
    /"approvals" means nothing with verdict "deny"/,
  ],
  ['a channel that does not exist', rule('confirm', 'ask = "boss"'), /x\.toml:6:7: bad value for "ask"/],
  [
    'a channel that does not exist in a list',
    rule('confirm', 'ask = ["operator", "boss"]'),
    /x\.toml:6:20: bad value for "ask"/,
  ],
  ['nobody to ask', rule('confirm', 'ask = []'), /bad value for "ask"/],
  ['the same channel twice', rule('confirm', 'ask = ["caller", "caller"]'), /the same word twice/],
  [
    'a webhook that nobody defined',
    rule('confirm', 'ask = "webhook:chat"'),
    /x\.toml:6:7: no webhook is called "chat" — expected \[webhooks\.chat\] in mcpd\.toml/,
  ],
  [
    'a role that nobody defined',
    rule('allow', 'roles = ["x"]'),
    /x\.toml:6:9: no role is called "x" — expected a line x = \["CALLER"\]/,
  ],
  [
    'two approvals by ticket',
    rule('confirm', 'ask = ["ticket", "operator"]\napprovals = 2'),
    /x\.toml:7:13: a ticket is no approver of its own/,
  ],
  [
    'two approvals by one user',
    rule('confirm', 'ask = "caller"\napprovals = 2'),
    /a caller's own user is one approver/,
  ],
  ['no approval', rule('confirm', 'approvals = 0'), /bad value for "approvals"/],
  ['a crowd of approvals', rule('confirm', 'approvals = 5'), /bad value for "approvals"/],
  [
    'a lease that is none',
    rule('confirm', 'lease_same = ["path"]'),
    /"lease_same" means nothing without "lease_max"/,
  ],
  ['a rule for no role', rule('allow', 'roles = []'), /x\.toml:6:9: a rule for nobody/],
  ['a rule for no surface', rule('allow', 'surfaces = []'), /a rule for no surface/],
  ['a rule for no class', rule('allow', 'risk = []'), /a rule for no class/],
  [
    'a surface that the rule never reaches',
    rule('allow', 'surfaces = ["tool", "prompt"]'),
    /x\.toml:6:21: nothing in the rule is a prompt/,
  ],
  [
    'a class of resources',
    '[[rule]]\nname = "r"\nverdict = "allow"\nresources = ["a://b"]\nrisk = ["read"]\n',
    /"risk" speaks about tools/,
  ],
  [
    'arguments of resources',
    `${rule('deny', 'resources = ["a://b"]')}args = { p = { type = "null" } }\n`,
    /x\.toml:7:1: a resource has no arguments/,
  ],
  ['an empty list of rates', rule('allow', 'rate = []'), /bad value for "rate"/],
  ['a bad rate in a list', rule('allow', 'rate = ["1/s", "1/y"]'), /x\.toml:6:16: bad value for "rate"/],
  ['a burst above the rate', rule('allow', 'rate = "10/min burst 10"'), /bad value for "rate"/],
]);

test('a role with a slip is told the one that was meant', (t) => {
  const dir = scratch(t);
  put(dir, {
    'mcpd.toml': `${plainDaemon}[roles]\nreviewer = ["ana"]\n`,
    'servers/x.toml': `${plainServer}stage = "pilot"\npilots = ["role:reviewr"]\n${rule('allow', 'roles = ["revewer"]')}`,
  });
  const lines = said(loadPolicies(dir, { HOME: '/h' })).join('\n');
  assert.match(lines, /x\.toml:3:10: no role is called "reviewr" — did you mean "reviewer"\?/);
  assert.match(lines, /x\.toml:8:9: no role is called "revewer" — did you mean "reviewer"\?/);
});

test('a stage for pilots needs one; pilots without it are a warning', (t) => {
  for (const lines of ['stage = "pilot"\n', 'stage = "pilot"\npilots = []\n'])
    assert.match(said(loadServer(t, plainServer + lines)).join('\n'), /stage "pilot" without a pilot/);
  const loaded = loadServer(t, `${plainServer}pilots = ["ana"]\n`);
  assert.ok(loaded.ok);
  assert.match(
    said(loaded).join('\n'),
    /x\.toml:2:10: warning: "pilots" means nothing with stage "everyone"/,
  );
});

test('the stage "observe" is the mode of that name', (t) => {
  const loaded = loadServer(t, `${plainServer}stage = "observe"\nmode = "enforce"\n`);
  assert.equal(loaded.ok && loaded.servers[0]?.contract.mode, 'observe');
});

test('a daemon without roles and webhooks has none', (t) => {
  const loaded = loadDaemon(t, plainDaemon);
  assert.ok(loaded.ok);
  assert.deepEqual([loaded.daemon.roles, loaded.daemon.webhooks, loaded.daemon.limits], [[], [], []]);
});
