import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { readPolicies, whatNeedsRestart } from '../../src/policy-files.ts';
import { plainDaemon, plainServer, put, scratch } from './scratch.ts';

const standing = {
  switches: { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined },
  grants: [],
  version: 'v7',
};

function read(t: TestContext, server: string, daemon = '') {
  const dir = scratch(t);
  put(dir, { 'mcpd.toml': plainDaemon + daemon, 'servers/x.toml': plainServer + server });
  const result = readPolicies(dir, { HOME: '/h' }, () => standing);
  return result.ok
    ? result
    : { ...result, complaints: result.complaints.map((line) => line.replaceAll(`${dir}/`, '')) };
}

test('what the files say is compiled with what the operator said', (t) => {
  const result = read(t, '', '[limits]\ntotal = "9/s"\n[roles]\nbeta = ["b"]\n');
  assert.ok(result.ok);
  assert.equal(result.orders.version, 'v7');
  assert.equal(result.orders.limits[0]?.text.name, 'in total');
  assert.deepEqual([...result.orders.roles.keys()], ['beta']);
});

test('what only the compiler finds is told with file, line and column', (t) => {
  const result = read(
    t,
    '[[rule]]\nname = "ok"\nverdict = "deny"\ntools = ["a"]\n[[rule]]\nname = "r"\nverdict = "allow"\ntools = ["a\\u0080*b*c*d*e*f*g*h*i*j*k*l*m*n*o*p*q*r*s"]\n',
  );
  assert.equal(result.ok, false);
  assert.match(result.complaints.join('\n'), /^servers\/x\.toml:6:3: rule "r": tools: the pattern/);
});

test('a tool that writes needs somebody who answers for it', (t) => {
  const text =
    '[tools.w]\nrisk = "write"\neffect = "Writes."\n[[rule]]\nname = "r"\nverdict = "confirm"\ntools = ["w"]\n';
  const result = read(t, text);
  assert.equal(result.ok, false);
  assert.match(result.complaints.join('\n'), /^servers\/x\.toml:\d+:\d+: .*owner/);
  assert.ok(read(t, `owner = "ana"\n${text}`).ok);
});

test('limits, roles and webhooks are in force at once, and the rest of mcpd.toml at the next start', (t) => {
  const daemon = (lines: string) => {
    const result = read(t, '', lines);
    assert.ok(result.ok);
    // Each reading has a folder of its own, which says nothing.
    return { ...result.loaded.daemon, stateDir: '' };
  };
  const before = daemon('');
  const hook = '[webhooks.chat]\nurl = "https://chat.example/"\nsecret = "keychain:chat"\n';
  const live = `[limits]\ntotal = "1/s"\n[roles]\nbeta = ["b"]\n${hook}`;
  assert.deepEqual(whatNeedsRestart(before, daemon(live)), []);
  assert.deepEqual(whatNeedsRestart(before, daemon(`${live}[sessions]\nmax = 2000\n`)), [
    'sessions in mcpd.toml takes effect at the next start',
  ]);
});
