import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { frontSocketIn } from '../../src/cli/connect.ts';
import { runCli } from '../../src/cli/program.ts';
import { openStateDir } from '../../src/config/state-dir.ts';

describe('the command line of mcpd connect', () => {
  let dir = '';
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'mcpd-cli-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  async function mcpd(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
    let [out, err] = ['', ''];
    const code = await runCli(['connect', ...argv], {
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      env: { MCPD_STATE_DIR: dir, MCPD_KEY: 'two words' },
      readSecret: async () => '',
      now: () => 0,
    });
    return { code, out, err };
  }

  it('teaches how a client is configured', async () => {
    const { code, out } = await mcpd('--help');
    assert.equal(code, 0);
    const written = /\{\n {4}"mcpServers"[\s\S]*\n {2}\}/.exec(out)?.[0];
    assert.ok(written !== undefined, out);
    const { mcpServers } = JSON.parse(written) as {
      mcpServers: Record<string, { args: string[]; env: object }>;
    };
    assert.deepEqual(mcpServers['files']?.args, ['connect', 'files']);
    assert.match(out, /Examples:\n {2}mcpd connect/);
    assert.match(out, /--key-file/);
  });

  it('refuses what cannot work, with the exit codes of the other commands', async () => {
    const loose = join(dir, 'loose-key');
    writeFileSync(loose, 'mcpd_key\n');
    chmodSync(loose, 0o644);
    for (const [argv, code, says] of [
      [[], 64, /SERVER/],
      [['Not/A/Server'], 64, /lower-case/],
      [['files', '--frobnicate'], 64, /unknown option/],
      [['files', 'mcpd_secret'], 64, /never a key/],
      [['files'], 78, /MCPD_KEY holds no key/],
      [['files', '--key-file', loose], 1, /can be read by others/],
      [['files', '--key-file', join(dir, 'none')], 1, /does not exist/],
    ] as const) {
      const ran = await mcpd(...argv);
      assert.equal(ran.code, code, ran.err);
      assert.match(ran.err, says);
      assert.doesNotMatch(ran.err, /mcpd_secret|two words/);
      assert.equal(ran.out, '', 'stdout belongs to the protocol');
    }
  });

  it('looks for the socket where the daemon makes it', () => {
    const state = openStateDir(join(dir, 'state'));
    assert.equal(frontSocketIn(state.dir), state.frontSocket);
  });
});
