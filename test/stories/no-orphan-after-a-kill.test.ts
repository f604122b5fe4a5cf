// kill -9 gives the daemon no chance to tidy up. The next start does, and nothing that was promised is forgotten.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { alive, endNow, rawEnv, rule, serving, TestDaemon, until } from '../support/daemon.ts';

describe('no orphan after a kill', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        stubborn: serving('ignores-sigterm', rule('allow', ['*'])),
        escaping: serving('ignores-sigterm', `sharing = "all"\n[env]\nSETSID = "1"\n${rule('allow', ['*'])}`),
        fx: serving(
          'answers',
          `answer_within = "10m"\n${rawEnv}${rule('allow', ['echo', 'slow', 'list_dir'], 'record = ["text"]')}`,
        ),
      },
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  it('after a restart none of the old processes lives, grandchildren included', async () => {
    const told: number[] = [];
    for (const server of ['stubborn', 'escaping'])
      told.push(...(JSON.parse(await (await daemon.session(server)).text('pids')) as number[]));
    await daemon.session('fx');
    const old = [...new Set([...daemon.children(), ...told])];
    assert.ok(told.length === 4 && old.every(alive));
    await daemon.end('SIGKILL');
    // They ignore everything that a dead parent can do to them, so this is a test of the next start.
    assert.ok(told.every(alive));
    await daemon.boot();
    await until('the old ones are gone', () => !old.some(alive));
    assert.equal(await (await daemon.session('fx')).text('echo', { text: 'well' }), 'well');
    assert.match(daemon.log(), /left behind/);
  });

  it('a process that is not ours is left alone', async () => {
    const { spawn } = await import('node:child_process');
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {
      stdio: 'ignore',
      env: { SUPERVISED_BY: 'somebody-else-entirely' },
    });
    await daemon.end('SIGKILL');
    await daemon.boot();
    assert.ok(alive(stranger.pid ?? 0));
    endNow(stranger.pid ?? 0);
  });

  it('what was switched off is switched off', async () => {
    await daemon.ctl('disable-tool', 'fx/list_dir');
    await daemon.end('SIGKILL');
    await daemon.boot();
    const session = await daemon.session('fx');
    assert.equal(await session.text('list_dir'), 'Unknown tool: list_dir');
    assert.deepEqual(await session.list('tools'), ['echo', 'slow']);
  });

  it('killed under load, every line of the journal is whole, and every call that was answered or went out is on record', async () => {
    const session = await daemon.session('fx');
    const answered: string[] = [];
    let going = true;
    const load = Array.from({ length: 4 }, async () => {
      while (going) {
        const text = randomUUID();
        const reply = await session.call('echo', { text }).catch(() => undefined);
        if (reply?.body.result === undefined) return;
        answered.push(text);
      }
    });
    await until('there is load', () => answered.length > 50);
    await daemon.end('SIGKILL');
    going = false;
    await Promise.all(load);
    await daemon.boot();
    const intended = new Set(
      daemon
        .journal()
        .filter(({ kind }) => kind === 'decision')
        .map(({ resources }) => (resources as { text?: string } | undefined)?.text),
    );
    for (const text of answered) assert.ok(intended.has(text), 'an acknowledged call is not on record');
    const sent = [...daemon.raw().matchAll(/"text":"([0-9a-f-]{36})"/g)].map(([, text]) => text);
    assert.ok(sent.length >= answered.length);
    for (const text of sent) assert.ok(intended.has(text), 'a call went out without a record');
  });

  it('a call that was in flight is found as one whose end nobody knows', async () => {
    const session = await daemon.session('fx');
    const answering = session.call('slow', { ms: 600_000, text: 'interrupted' }).catch(() => undefined);
    await until('it is in flight', async () => (await daemon.status('fx')).inFlight === 1);
    await daemon.end('SIGKILL');
    await answering;
    await daemon.boot();
    const found = await daemon.audit('--tool', 'fx/slow', '--outcome', 'unknown');
    assert.equal(found.length, 1);
    assert.deepEqual(found[0]?.['resources'], { text: 'interrupted' });
  });

  it('a line that the kill tore in two is cut off, said so, and the count goes on', async () => {
    await daemon.end('SIGKILL');
    const whole = daemon.journal();
    const last = whole.at(-1)?.['seq'] as number;
    const file = daemon.journalFiles().at(-1) ?? '';
    appendFileSync(file, `{"seq":${last + 1},"kind":"outcome","ti`);
    await daemon.boot();
    await (await daemon.session('fx')).text('echo', { text: 'after' });
    await daemon.end();
    const records = daemon.journal();
    assert.deepEqual(records.slice(0, whole.length), whole, 'what was written before is untouched');
    assert.equal(records[whole.length]?.['kind'], 'torn-tail');
    assert.deepEqual(
      records.map(({ seq }) => seq),
      records.map((_, at) => at + 1),
    );
    assert.ok(readFileSync(file, 'utf8').endsWith('}\n'));
    await daemon.boot();
  });

  it('a second daemon does not start beside the first, and does it no harm', async () => {
    const session = await daemon.session('fx');
    const children = daemon.children();
    const second = await daemon.mcpd(['run', '--policies', daemon.policies]);
    assert.equal(second.code, 75);
    assert.match(second.stderr, /another mcpd is running/);
    assert.ok(children.every(alive));
    assert.equal(await session.text('echo', { text: 'well' }), 'well');
  });

  it('nor one that does not find the first, because somebody removed its control socket', async () => {
    const session = await daemon.session('fx');
    const children = daemon.children();
    rmSync(join(daemon.state, 'control', 'mcpd.sock'));
    const second = await daemon.mcpd(['run', '--policies', daemon.policies]);
    assert.equal(second.code, 75);
    assert.ok(children.length > 0 && children.every(alive), 'it ended the servers of the one that runs');
    assert.equal(await session.text('echo', { text: 'well' }), 'well');
  });
});
