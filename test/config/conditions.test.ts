import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadPolicies } from '../../src/config/load.ts';
import { refusedAtTheirPlaces } from './refused.ts';
import { loadServer, plainDaemon, plainServer, put, said, scratch } from './scratch.ts';

const rule = (args: string, verdict = 'allow') =>
  `[[rule]]\nname = "r"\nverdict = "${verdict}"\ntools = ["a"]\n[rule.args]\n${args}\n`;

test('every check is read as it was meant', (t) => {
  const lines = [
    'a = { type = "string" }',
    'b = { one_of = ["x", 1, true], optional = true }',
    'c = { equals = 1.0 }',
    '"d.e" = { min = -1, max = 1.5 }',
    '"f.*.g" = { min = 0 }',
    'h = { min_length = 1, max_length = 9 }',
    'i = { max_items = 20 }',
    'j = { like = "acme/*", matches = ["[a-z]+", "x|y"] }',
    'k = { url = { schemes = ["https"], hosts = ["API.example.com", "*.example.org"], ports = [443], paths = ["/v1/**"] } }',
    'l = { not = { one_of = ["x"], min_length = 2 } }',
    'm = { absent = true }',
  ];
  const loaded = loadServer(t, plainServer + rule(lines.join('\n')));
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const args = loaded.servers[0]?.rules[0]?.args ?? [];
  const plain = { optional: false, absent: false };
  assert.deepEqual(args, [
    { path: ['a'], at: 'a', ...plain, checks: [{ kind: 'type', type: 'string' }] },
    { path: ['b'], at: 'b', ...plain, optional: true, checks: [{ kind: 'one-of', values: ['x', 1, true] }] },
    { path: ['c'], at: 'c', ...plain, checks: [{ kind: 'one-of', values: [1] }] },
    { path: ['d', 'e'], at: 'd.e', ...plain, checks: [{ kind: 'range', min: -1, max: 1.5 }] },
    { path: ['f', '*', 'g'], at: 'f.*.g', ...plain, checks: [{ kind: 'range', min: 0, max: Infinity }] },
    { path: ['h'], at: 'h', ...plain, checks: [{ kind: 'length', min: 1, max: 9 }] },
    {
      path: ['i'],
      at: 'i',
      ...plain,
      checks: [
        { kind: 'type', type: 'array' },
        { kind: 'length', min: 0, max: 20 },
      ],
    },
    {
      path: ['j'],
      at: 'j',
      ...plain,
      checks: [
        { kind: 'text', like: ['acme/*'], matches: [] },
        { kind: 'text', like: [], matches: ['[a-z]+', 'x|y'] },
      ],
    },
    {
      path: ['k'],
      at: 'k',
      ...plain,
      checks: [
        {
          kind: 'url',
          schemes: ['https'],
          hosts: ['api.example.com', '*.example.org'],
          ports: [443],
          paths: ['/v1/**'],
        },
      ],
    },
    {
      path: ['l'],
      at: 'l',
      ...plain,
      checks: [
        {
          kind: 'not',
          checks: [
            { kind: 'one-of', values: ['x'] },
            { kind: 'length', min: 2, max: Infinity },
          ],
        },
      ],
    },
    { path: ['m'], at: 'm', optional: false, absent: true, checks: [] },
  ]);
});

test('folders count from the folder of the file, and are real ones', (t) => {
  const dir = scratch(t);
  const text = plainServer + rule('p = { within = ["../data", "../link", "../later", "/etc"] }');
  put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': text, 'data/README': '' });
  symlinkSync('data', join(dir, 'link'));
  const loaded = loadPolicies(dir, { HOME: '/h' });
  assert.ok(loaded.ok, said(loaded).join('\n'));
  assert.deepEqual(loaded.servers[0]?.rules[0]?.args[0]?.checks, [
    { kind: 'within', folders: [join(dir, 'data'), join(dir, 'data'), join(dir, 'later'), '/etc'] },
  ]);
  assert.match(said(loaded).join('\n'), /x\.toml:7:39: warning: no folder at \S*later/);
});

refusedAtTheirPlaces([
  [
    'a check that is none',
    rule('p = { minn = 1 }'),
    /x\.toml:7:7: unknown key "minn" — did you mean "min"\?/,
  ],
  ['a condition on nothing', rule('p = {}'), /x\.toml:7:5: nothing is asked of "p"/],
  ['a condition that only allows absence', rule('p = { optional = true }'), /nothing is asked of "p"/],
  ['no condition at all', rule(''), /x\.toml:6:7: "args" holds no condition/],
  ['a value in place of a condition', rule('p = "x"'), /x\.toml:7:5: wrong type for "p"/],
  [
    'an empty list of values',
    rule('p = { one_of = [] }'),
    /x\.toml:7:16: an empty list "one_of" can never be met/,
  ],
  ['an empty list of patterns', rule('p = { like = [] }'), /x\.toml:7:14: bad value for "like"/],
  ['an empty list of expressions', rule('p = { matches = [] }'), /bad value for "matches"/],
  ['an empty list of folders', rule('p = { within = [] }'), /bad value for "within"/],
  [
    'an empty list of hosts',
    rule('p = { url = { schemes = ["https"], hosts = [] } }'),
    /an empty list "hosts"/,
  ],
  ['values of other kinds', rule('p = { one_of = [[1]] }'), /wrong type for "one_of"/],
  ['a moment as a value', rule('p = { equals = 2026-01-01T00:00:00Z }'), /wrong type for "equals"/],
  ['a least above the most', rule('p = { min = 2, max = 1 }'), /x\.toml:7:13: "min" is above "max"/],
  [
    'a length that cannot be',
    rule('p = { min_length = 2, max_length = 1 }'),
    /"min_length" is above "max_length"/,
  ],
  [
    'records that cannot be',
    rule('p = { min_length = 2, max_items = 1 }'),
    /"min_length" is above "max_items"/,
  ],
  ['no number', rule('p = { min = nan }'), /wrong type for "min"/],
  ['an endless number', rule('p = { max = inf }'), /wrong type for "max"/],
  ['a negative length', rule('p = { max_length = -1 }'), /bad value for "max_length"/],
  [
    'a type that does not exist',
    rule('p = { type = "strng" }'),
    /bad value for "type" — did you mean "string"/,
  ],
  [
    'a range of texts',
    rule('p = { type = "string", min = 1 }'),
    /x\.toml:7:24: "min" says nothing about a value of type string/,
  ],
  [
    'a range of something within a folder',
    rule('p = { within = "/srv", max = 1 }'),
    /"within" says nothing about a value of type number/,
  ],
  [
    'absence with something else',
    rule('p = { absent = true, type = "null" }'),
    /x\.toml:7:16: what must not be there/,
  ],
  ['absence that is optional', rule('p = { absent = true, optional = true }'), /what must not be there/],
  ['an empty not', rule('p = { not = {} }'), /x\.toml:7:13: "not" holds no check/],
  ['absence inside not', rule('p = { not = { absent = true } }'), /x\.toml:7:15: unknown key "absent"/],
  [
    'a contradiction inside not',
    rule('p = { not = { min = 2, max = 1 } }'),
    /x\.toml:7:21: "min" is above "max"/,
  ],
  ['one value and one of several', rule('p = { one_of = [1], equals = 1 }'), /"equals" beside "one_of"/],
  ['an expression that is none', rule('p = { matches = "(" }'), /x\.toml:7:17: bad value for "matches"/],
  [
    'an expression with look-around',
    rule('p = { matches = ["a", "(?=b)"] }'),
    /x\.toml:7:23: bad value for "matches"/,
  ],
  ['an expression over lines', rule('p = { matches = "(?m)^a$" }'), /bad value for "matches"/],
  ['a URL of any host', rule('p = { url = { schemes = ["https"] } }'), /x\.toml:7:7: missing key "hosts"/],
  ['a URL of any scheme', rule('p = { url = { hosts = ["a"] } }'), /missing key "schemes"/],
  [
    'a scheme with a colon',
    rule('p = { url = { schemes = ["https:"], hosts = ["a"] } }'),
    /bad value for "schemes"/,
  ],
  [
    'a host with a port',
    rule('p = { url = { schemes = ["https"], hosts = ["a:80"] } }'),
    /x\.toml:7:45: bad value for "hosts"/,
  ],
  [
    'a host with a path',
    rule('p = { url = { schemes = ["https"], hosts = ["a/b"] } }'),
    /bad value for "hosts"/,
  ],
  [
    'a host with a user',
    rule('p = { url = { schemes = ["https"], hosts = ["u@a"] } }'),
    /bad value for "hosts"/,
  ],
  [
    'a host in other letters',
    rule('p = { url = { schemes = ["https"], hosts = ["müller.example"] } }'),
    /bad value for "hosts"/,
  ],
  [
    'a path without a slash',
    rule('p = { url = { schemes = ["https"], hosts = ["a"], paths = ["v1"] } }'),
    /bad value for "paths"/,
  ],
  ['an empty step', rule('"a..b" = { type = "null" }'), /x\.toml:7:1: bad path "a\.\.b"/],
  ['half a star', rule('"a*.b" = { type = "null" }'), /bad path "a\*\.b"/],
  ['an endless path', rule(`"${'a.'.repeat(20)}a" = { type = "null" }`), /bad path/],
  ['a folder only a shell knows', rule('p = { within = "~/x" }'), /begins with ~/],
  [
    'a denial of short lists',
    rule('p = { max_items = 5 }', 'deny'),
    /a denial of short lists — expected not = \{ max_items = 5 \}/,
  ],
  [
    'leave for all but short lists',
    rule('p = { not = { max_items = 5 } }'),
    /leave for everything but short lists/,
  ],
  [
    'a crowd of conditions',
    rule(Array.from({ length: 65 }, (_, at) => `p${String(at)} = { type = "null" }`).join('\n')),
    /65 conditions — expected at most 64/,
  ],
]);

test('the same mistakes are found in what every call of a tool must meet', (t) => {
  const text = `${plainServer}[tools.a]\nrisk = "read"\neffect = "Reads."\n[tools.a.args]\np = { min = 2, max = 1 }\n`;
  assert.match(said(loadServer(t, text)).join('\n'), /x\.toml:6:13: "min" is above "max"/);
});
