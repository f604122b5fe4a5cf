// The vault while commands are killed in the middle, and while many of them want it at once.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot, rule, serving, TestDaemon } from '../support/daemon.ts';

async function prepared(): Promise<TestDaemon> {
  const env: Record<string, string> = {};
  const daemon = await TestDaemon.start({
    canaries: false,
    boot: false,
    env,
    servers: { fx: `${serving('answers')}${rule('allow', ['*'])}` },
  });
  env['XDG_CONFIG_HOME'] = join(daemon.dir, 'config');
  const told = await daemon.mcpd(['secret', 'set', 'first', '--in', 'vault'], 'the first value');
  assert.equal(told.code, 0, told.stderr);
  return daemon;
}

/** Starts `mcpd secret set` and gives it so long. */
function killed(daemon: TestDaemon, name: string, value: string, afterMs: number): Promise<number | null> {
  const args = [join(projectRoot, 'src', 'launch.cjs'), 'secret', 'set', name, '--in', 'vault'];
  const child = spawn(process.execPath, args, { env: daemon.env, stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin.on('error', () => undefined);
  child.stdin.end(value);
  void sleep(afterMs).then(() => child.kill('SIGKILL'));
  return new Promise((resolve) => child.on('exit', resolve));
}

describe('the vault', () => {
  test('is whole after every kill, and no lock outlives its command', async () => {
    await using daemon = await prepared();
    let done = 0;
    // From before it has begun to after it is done; a slow machine is killed earlier, which is as good.
    for (let afterMs = 100; afterMs < 400; afterMs += 15)
      if ((await killed(daemon, 'second', `value after ${afterMs}`, afterMs)) === 0) done++;
    const first = await daemon.mcpd(['secret', 'get', 'first', '--reveal']);
    assert.equal(first.stdout.trim(), 'the first value', first.stderr);
    const set = await daemon.mcpd(['secret', 'set', 'second', '--in', 'vault'], 'at last');
    assert.equal(set.code, 0, set.stderr);
    assert.equal((await daemon.mcpd(['secret', 'get', 'second', '--reveal'])).stdout.trim(), 'at last');
    // What a killed command left beside it holds no value.
    for (const name of readdirSync(daemon.state).filter((it) => it.includes('vault')))
      assert.doesNotMatch(readFileSync(join(daemon.state, name), 'utf8'), /value after|first value|at last/);
    assert.ok(done < 20, 'some were killed');
  });

  test('loses nothing of what many put in at once', async () => {
    await using daemon = await prepared();
    const names = Array.from({ length: 8 }, (_, at) => `name${at}`);
    const came = await Promise.all(
      names.map((name) => daemon.mcpd(['secret', 'set', name, '--in', 'vault'], `the value of ${name}`)),
    );
    for (const { code, stderr } of came) assert.equal(code, 0, stderr);
    for (const name of names) {
      const { stdout } = await daemon.mcpd(['secret', 'get', name, '--reveal']);
      assert.equal(stdout.trim(), `the value of ${name}`);
    }
  });
});
