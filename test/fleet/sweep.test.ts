import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { sweep } from '../../src/fleet/sweep.ts';

/** A folder that looks like /proc. The ids are beyond any that Linux gives out, so nothing real can be meant. */
function procWith(environs: Readonly<Record<string, string>>): string {
  const proc = mkdtempSync(path.join(tmpdir(), 'mcpd-proc-'));
  for (const [pid, environ] of Object.entries(environs)) {
    mkdirSync(path.join(proc, pid));
    writeFileSync(path.join(proc, pid, 'environ'), environ);
  }
  return proc;
}

it('ends what carries the cookie, and nothing else', { skip: process.platform !== 'linux' }, async () => {
  const cookie = `sweep-test-${process.pid}-0123456789`;
  const idle = ['-e', 'setInterval(() => undefined, 60000)'];
  const launch = (env: Record<string, string>) =>
    spawn(process.execPath, idle, { env, stdio: 'ignore', detached: true });
  const ours = launch({ SUPERVISED_BY: cookie });
  const others = [
    launch({ SUPERVISED_BY: `${cookie}x` }),
    launch({ X_SUPERVISED_BY: cookie }),
    launch({ OTHER: `SUPERVISED_BY=${cookie}` }),
  ];
  try {
    const ended = new Promise((resolve) => ours.once('exit', (_code, signal) => resolve(signal)));
    assert.deepEqual(sweep(cookie), [ours.pid]);
    assert.equal(await ended, 'SIGKILL');
    assert.ok(others.every((it) => it.exitCode === null && it.signalCode === null));
  } finally {
    for (const it of others) it.kill('SIGKILL');
  }
});

it('never ends itself, and finds nothing where there is no /proc', () => {
  const cookie = 'c'.repeat(32);
  const proc = procWith({ [process.pid]: `A=1\0SUPERVISED_BY=${cookie}\0` });
  assert.deepEqual(sweep(cookie, proc), []);
  rmSync(proc, { recursive: true });
  assert.deepEqual(sweep(cookie, '/nowhere'), []);
});

it('refuses a cookie that could be anybody’s', () => {
  const proc = procWith({ '99999999': 'SUPERVISED_BY=\0SUPERVISED_BY=short\0' });
  for (const cookie of ['', 'short', 'a b c d e f g h i j k l']) assert.deepEqual(sweep(cookie, proc), []);
  rmSync(proc, { recursive: true });
});
