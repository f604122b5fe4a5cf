import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { printComplaint } from '../../src/config/complaint.ts';
import type { Facts } from '../../src/domain/decision.ts';
import { readPolicies } from '../../src/policy-files.ts';
import { decide } from '../../src/policy/decide.ts';
import { absent, corpusLines } from '../support/corpora.ts';
import { plainDaemon, plainServer, put, scratch } from './scratch.ts';

type Line = { readonly id: string; readonly title: string; readonly toml: string; readonly expect: string };
const set = 'mcpd-own/policy-reload.jsonl';
const lines = absent(set) === false ? corpusLines<Line>(set) : [];

const rule = (verdict: string, tools: string, more = '') =>
  `[[rule]]\nname = "${verdict}"\nverdict = "${verdict}"\ntools = ${tools}\n${more}`;
const owned = `${plainServer}owner = "ana"\n[tools."*"]\nrisk = "write"\neffect = "Anything."\n`;
const matching = (regex: string) =>
  owned + rule('allow', '["read_file"]', `args = { path = { matches = '${regex}' } }\n`);
const limited = (rate: string) => `${plainServer}[limits]\nper_caller = ${rate}\n`;

/** What a line says in our words: files below the folder of policies. The corpus says it in words of its own. */
const inOurWords: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'pol-01': { 'fx.toml': '' },
  'pol-02': { 'fx.toml': '# nothing\n\n' },
  'pol-03': { 'fx.toml': `${plainServer}[[rule]\nverdict = [\n` },
  'pol-04': { 'fx.toml': `${plainServer}[[rule]]\nname = "r"\nverdict = "allow"\ntools = ["read_file",` },
  'pol-05': { 'fx.toml': owned + rule('allow', '"read_file"') },
  'pol-06': { 'fx.toml': `${plainServer}[[rule]]\nname = "r"\nverdict = "allow"\ntolos = ["read_file"]\n` },
  'pol-07': { 'fx.toml': `${plainServer}[[rule]]\nname = "r"\nverdict = "allow"\nTools = ["*"]\n` },
  'pol-08': { 'fx.toml': owned + rule('allow', '["a"]', 'tools = ["*"]\n') },
  // A server is a file, so there are not two of one name; the nearest is a file that says everything twice.
  'pol-09': { 'fx.toml': plainServer + plainServer },
  'pol-10': { 'fx.toml': plainServer, 'FX.toml': plainServer },
  'pol-11': { 'fx.toml': `${plainServer}rule = []\n` },
  'pol-12': { 'fx.toml': plainServer },
  'pol-13': { 'fx.toml': owned + rule('allow', '["read_file"]') + rule('deny', '["read_file"]') },
  'pol-14': { 'fx.toml': owned + rule('allow', '["write_file"]') + rule('confirm', '["write_file"]') },
  'pol-15': { 'fx.toml': matching('read') },
  'pol-16': { 'fx.toml': matching('^(a|a)*$') },
  'pol-17': { 'fx.toml': matching('(') },
  'pol-18': { 'fx.toml': matching('(?m)^read_file$') },
  'pol-19': { 'fx.toml': limited('"-1/min"') },
  'pol-20': { 'fx.toml': limited('"0/min"') },
  'pol-21': { 'fx.toml': limited('inf') },
  'pol-22': { 'fx.toml': limited('"9223372036854775807/min"') },
  'pol-23': { 'fx.toml': `${plainServer}[__proto__]\nverdict = "allow"\n` },
  'pol-24': { 'fx.toml': `${plainServer}[constructor.prototype]\nverdict = "allow"\n` },
  'pol-25': { 'fx.toml': `${plainServer}default = "allow"\n` },
  'pol-26': { 'fx.toml': `${plainServer}[env]\nTOKEN = "ghp_CANARY0aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"\n` },
  'pol-27': { 'fx.toml': 'command = "node"\nargs = ["x.js"]\n' },
  'pol-28': { 'fx.toml': 'command = "npx x && curl evil"\n' },
  'pol-29': { 'fx.toml': `${plainServer}[env]\nNODE_OPTIONS = "--require /tmp/x.js"\n` },
  'pol-30': { 'fx.toml': `${plainServer}[env]\nLD_PRELOAD = "/tmp/x.so"\n` },
  'pol-31': { 'fx.toml': 'command = "npx"\nargs = ["-y", "some-mcp@latest"]\n' },
};

const facts: Facts = { nowMs: () => 0, tool: () => undefined, realPath: (path) => path };

/** Reads one server folder as a daemon would, with a `node` and an `npx` of its own. */
function reading(t: TestContext, files: Readonly<Record<string, string>>, daemon = plainDaemon) {
  const dir = scratch(t);
  const below = Object.entries(files).map(([name, text]) => [`p/servers/${name}`, text] as const);
  put(dir, { 'p/mcpd.toml': daemon, ...Object.fromEntries(below), 'bin/node': '#!', 'bin/npx': '#!' });
  for (const program of ['node', 'npx']) chmodSync(join(dir, 'bin', program), 0o755);
  const standing = {
    switches: { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined },
    grants: [],
    version: 'v',
  };
  const options = { execPath: join(dir, 'bin/node') };
  const read = readPolicies(join(dir, 'p'), { HOME: '/h' }, () => standing, options);
  return { read, bin: join(dir, 'bin') };
}

type Read = ReturnType<typeof reading>;

function verdict({ read }: Read, tool: string, path = 'x'): string {
  assert.ok(read.ok);
  const target = { kind: 'tool', name: tool } as const;
  const judged = { server: 'fx', principal: { name: 'ana' }, target, args: { path } };
  return decide(read.orders, judged, facts).kind;
}

/** What each expectation of the corpus asks of a file that loads; any other one must not load. */
const whenLoaded: Readonly<Record<string, (read: Read) => void>> = {
  LOAD_DENY_ALL: (read) => {
    for (const tool of ['read_file', '*', '']) assert.equal(verdict(read, tool), 'deny');
  },
  LOAD_DENY_WINS_OR_KEEP_OLD: (read) => {
    assert.equal(verdict(read, 'read_file'), 'deny');
  },
  LOAD_CONFIRM_WINS_OR_KEEP_OLD: (read) => {
    assert.equal(verdict(read, 'write_file'), 'confirm');
  },
  KEEP_OLD_OR_ANCHORED: (read) => {
    assert.equal(verdict(read, 'read_file', 'read'), 'allow');
    for (const path of ['spread_delete_file', 'read\nx', 'x\nread'])
      assert.equal(verdict(read, 'read_file', path), 'deny');
  },
  KEEP_OLD_OR_BOUNDED: (read) => {
    // A backtracking engine would still be at it when this test is forgotten.
    assert.equal(verdict(read, 'read_file', `${'a'.repeat(50_000)}!`), 'deny');
  },
  LOAD_WITH_WARNING: warned,
  LOAD_WITH_WARNING_OR_KEEP_OLD: warned,
  KEEP_OLD_OR_WARN: warned,
  LOAD_RESOLVED_ABSOLUTE_OR_KEEP_OLD: ({ read, bin }) => {
    assert.ok(read.ok);
    assert.equal(read.loaded.servers[0]?.spec.command, join(bin, 'node'));
  },
};

/** Lines that ask for a file that loads, and leave no choice. */
const mustLoad = new Set(['LOAD_DENY_ALL', 'LOAD_WITH_WARNING']);

function warned({ read }: Read): void {
  assert.ok(read.ok);
  // That a file has no rules is a warning as well, and not the one that is asked for.
  const told = read.loaded.warnings.filter(({ what }) => !what.startsWith('there is no [[rule]]'));
  assert.equal(told.length, 1);
}

describe('what becomes of a policy', { skip: absent(set) }, () => {
  for (const { id, title, toml, expect } of lines) {
    test(`${id} ${title}: ${expect}`, (t) => {
      const files = inOurWords[id];
      assert.ok(files !== undefined, `${id} is not put into our words`);
      const read = reading(t, files);
      if (read.read.ok) {
        const asked = whenLoaded[expect];
        assert.ok(asked !== undefined, 'it must not load');
        asked(read);
      } else {
        assert.ok(!mustLoad.has(expect), read.read.complaints.join('\n'));
      }
      const told = read.read.ok ? read.read.loaded.warnings.map(printComplaint) : read.read.complaints;
      assert.doesNotMatch(told.join('\n'), /CANARY/);
      // Word for word it is no policy of ours, wherever it is put.
      assert.equal(reading(t, { 'fx.toml': toml }).read.ok, false);
      assert.equal(reading(t, { 'fx.toml': plainServer }, toml).read.ok, false);
    });
  }

  test('every line of the corpus was tried', () => {
    assert.equal(lines.length, 31);
    assert.deepEqual(Object.keys(inOurWords), lines.map(({ id }) => id).sort());
  });
});
