import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Loaded } from '../../src/config/load.ts';
import { loadDaemon, plainDaemon, said } from './scratch.ts';

const about = (loaded: Loaded) => said(loaded).filter((line) => line.includes('profile'));

describe('[profiles] in mcpd.toml', () => {
  it('is empty by default', (t) => {
    const loaded = loadDaemon(t, plainDaemon);
    assert.deepEqual(loaded.ok && loaded.daemon.profiles, []);
  });

  it('names lists of servers', (t) => {
    const loaded = loadDaemon(t, `${plainDaemon}[profiles]\ncoding = ["x"]\nnone = []\n`);
    assert.ok(loaded.ok, said(loaded).join('\n'));
    assert.deepEqual(loaded.daemon.profiles, [
      ['coding', ['x']],
      ['none', []],
    ]);
    assert.deepEqual(about(loaded), []);
  });

  it('warns of a server that is not there', (t) => {
    const loaded = loadDaemon(t, `${plainDaemon}[profiles]\ncoding = ["x", "y"]\n`);
    assert.ok(loaded.ok);
    assert.deepEqual(about(loaded), [
      'mcpd.toml:4:10: warning: profile "coding" names "y", and there is no such server — expected a file servers/y.toml',
    ]);
  });

  for (const [line, complaint] of [
    ['Coding = ["x"]', /bad profile name "Coding"/],
    ['"a b" = ["x"]', /bad profile name "a b"/],
    ['coding = "x"', /a list of servers/],
    ['coding = ["X"]', /the name of a server/],
    ['coding = ["a/../b"]', /the name of a server/],
    ['coding = [1]', /the name of a server/],
  ] as const)
    it(`refuses ${line}`, (t) => {
      const loaded = loadDaemon(t, `${plainDaemon}[profiles]\n${line}\n`);
      assert.ok(!loaded.ok);
      assert.match(said(loaded).join('\n'), complaint);
    });
});
