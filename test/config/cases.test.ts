import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadPolicies } from '../../src/config/load.ts';
import { refusedAtTheirPlaces } from './refused.ts';
import { loadServer, plainDaemon, plainServer, put, said, scratch } from './scratch.ts';

const one = (lines: string) => `[[case]]\nname = "c"\ncaller = "ana"\nexpect = "deny"\n${lines}\n`;

test('a case is read as it was meant', (t) => {
  const text = `${plainServer}[[rule]]\nname = "r"\nverdict = "deny"\ntools = ["a"]\n${one('tool = "a"\nargs = { p = [1, { q = "x" }], constructor = true }\nat = 2026-01-01T00:00:00Z\nrule = "r"')}`;
  const loaded = loadServer(t, text);
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const [first] = loaded.servers[0]?.cases ?? [];
  assert.deepEqual(
    { ...first, place: first?.place.line },
    {
      name: 'c',
      caller: 'ana',
      roles: [],
      target: { kind: 'tool', name: 'a' },
      args: { p: [1, { q: 'x' }], constructor: true },
      atMs: Date.UTC(2026, 0, 1),
      expect: 'deny',
      rule: 'r',
      place: 6,
    },
  );
});

refusedAtTheirPlaces([
  ['a case about nothing', one(''), /x\.toml:2:3: case "c" aims at nothing/],
  ['a case about two things', one('tool = "a"\nprompt = "b"'), /case "c" aims at two things/],
  ['a case without an outcome', '[[case]]\nname = "c"\ncaller = "ana"\ntool = "a"\n', /missing key "expect"/],
  [
    'arguments of a resource',
    one('resource = "a://b"\nargs = { x = 1 }'),
    /x\.toml:7:1: a resource has no arguments/,
  ],
  [
    'an argument that is a moment',
    one('tool = "a"\nargs = { x = 2026-01-01T00:00:00Z }'),
    /x\.toml:7:14: an argument that JSON cannot hold/,
  ],
  [
    'an argument without end',
    one('tool = "a"\nargs = { x = [1, inf] }'),
    /x\.toml:7:18: an argument that JSON cannot hold/,
  ],
  ['two cases of one name', one('tool = "a"') + one('tool = "b"'), /duplicate: another case is named "c"/],
  [
    'a rule that is not there',
    one('tool = "a"\nrule = "r"'),
    /x\.toml:7:8: case "c" names "r", and there is no such rule/,
  ],
  ['a role that is not there', one('tool = "a"\nroles = ["r"]'), /x\.toml:7:9: no role is called "r"/],
  ['a redaction of nothing', '[[redact]]\nname = "x"\n', /x\.toml:2:3: redaction "x" names nothing/],
  [
    'a redaction for no tool',
    '[[redact]]\nname = "x"\nwhat = ["email"]\ntools = []\n',
    /a redaction for no tool/,
  ],
  [
    'a bad pattern',
    '[[redact]]\nname = "x"\npatterns = ["a", "(a|b"]\n',
    /x\.toml:4:18: bad value for "patterns"/,
  ],
  ['a field with half a star', '[[redact]]\nname = "x"\nfields = ["a.b*"]\n', /bad value for "fields"/],
  [
    'an action that does not exist',
    '[[redact]]\nname = "x"\nwhat = ["email"]\ndo = "remove"\n',
    /bad value for "do"/,
  ],
]);

test('built-in reasons may be named in a case', (t) => {
  const loaded = loadServer(t, plainServer + one('tool = "a"\nrule = "built-in: default deny"'));
  assert.ok(loaded.ok, said(loaded).join('\n'));
});

test('a detector that does not exist is told the one that was meant', (t) => {
  const dir = scratch(t);
  const text = `${plainServer}[[redact]]\nname = "x"\nwhat = ["pii", "emial"]\nfields = ["a.*.b"]\n`;
  put(dir, { 'mcpd.toml': plainDaemon, 'servers/x.toml': text });
  const detectors = ['pii', 'email', 'phone'];
  const lines = said(loadPolicies(dir, { HOME: '/h' }, { detectors })).join('\n');
  assert.match(lines, /x\.toml:4:16: no detector is called "emial" — did you mean "email"\?/);
  const loaded = loadPolicies(dir, { HOME: '/h' }, { detectors: [...detectors, 'emial'] });
  assert.ok(loaded.ok);
  const [redact] = loaded.servers[0]?.redact ?? [];
  assert.deepEqual(
    { ...redact, place: redact?.place.line },
    {
      name: 'x',
      what: ['pii', 'emial'],
      patterns: [],
      fields: ['a.*.b'],
      tools: undefined,
      direction: 'out',
      action: 'redact',
      place: 2,
    },
  );
});
