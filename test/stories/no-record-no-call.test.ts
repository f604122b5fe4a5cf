// The journal lies on a disk of 64 KiB, which the test fills. A call that cannot be recorded is not made.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  initialize,
  post,
  rawEnv,
  rule,
  serving,
  TestDaemon,
  textOf,
  until,
  type TestSession,
} from '../support/daemon.ts';

const skip = mountable();

describe('no record, no call', { skip }, () => {
  let daemon: TestDaemon;
  let session: TestSession;
  const unmount = (state: string) => {
    try {
      execFileSync('umount', ['-l', join(state, 'audit')], { stdio: 'ignore' });
    } catch {
      // Not mounted, or unmounted already.
    }
  };
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx: serving(
          'answers',
          rawEnv + rule('allow', ['echo', 'list_dir'], 'record = ["text"]') + rule('confirm', ['write_file']),
        ),
      },
      prepare: ({ state }) => {
        const audit = join(state, 'audit');
        mkdirSync(audit, { mode: 0o700 });
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', audit]);
        process.on('exit', () => unmount(state));
      },
      cleanUp: ({ state }) => unmount(state),
    });
    session = await daemon.session('fx');
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const ballast = () => join(daemon.state, 'audit', 'ballast');
  const readiness = async () => (await fetch(`${daemon.url}/readyz`)).status;
  const sent: string[] = [];
  const echo = async () => {
    const text = randomUUID();
    const reply = await session.call('echo', { text });
    if (reply.body.result !== undefined) sent.push(text);
    return { text, reply };
  };

  /** Fills the disk to the last byte, and calls until the journal has used up its own last page. */
  async function fill() {
    for (const size of [4096, 512, 1]) {
      try {
        for (;;) appendFileSync(ballast(), Buffer.alloc(size, '#'));
      } catch {
        // Full.
      }
    }
    for (let tries = 0; tries < 200; tries++) {
      const { text, reply } = await echo();
      if (reply.body.result === undefined) return { text, reply };
    }
    throw new Error('the journal never became full');
  }

  it('a call is refused, and does not go out, while it cannot be recorded', async () => {
    assert.equal(await readiness(), 200);
    const { text, reply } = await fill();
    assert.equal(reply.status, 503);
    assert.equal(reply.body.error?.code, 1510);
    assert.ok(Number(reply.headers.get('retry-after')) >= 1);
    assert.ok(reply.headers.get('mcpd-correlation-id'));
    assert.ok(!reply.body.error.message.includes(daemon.dir), 'the caller learns nothing about our disk');
    assert.ok(!daemon.raw().includes(text));
    // A second time the daemon knows already, and it is the same on every way in.
    for (const attempt of [
      () => session.call('list_dir', { text: 'again' }),
      () => session.request('tools/list'),
      () => session.call('write_file'),
    ]) {
      const again = await attempt();
      assert.equal(again.status, 503);
      assert.equal(again.body.error?.code, 1510);
    }
    const hello = await post(daemon, 'fx', daemon.key, undefined, initialize());
    assert.equal(hello.status, 503);
    assert.ok(!daemon.raw().includes('"again"'));
    assert.deepEqual(await daemon.approvals(), []);
  });

  it('readiness says so, and why only to the operator', async () => {
    await until('not ready', async () => (await readiness()) === 503);
    assert.equal((await fetch(`${daemon.url}/healthz`)).status, 200);
    const status = await daemon.ctl('status');
    assert.equal(status['status'], 'unhealthy');
    assert.match(JSON.stringify(status['because']), /journal cannot be written.*ENOSPC/);
    const bare = await (await fetch(`${daemon.url}/readyz`)).text();
    assert.ok(!bare.includes('ENOSPC'));
  });

  it('the kill switch works, and says that it could not be recorded', async () => {
    const off = await daemon.ctl('disable-tool', 'fx/list_dir');
    assert.equal(off['changed'], true);
    assert.equal(off['durable'], true);
    assert.match(JSON.stringify(off), /NOT RECORDED/);
  });

  it('what loosens is refused', async () => {
    const on = await daemon.ctl('enable-tool', 'fx/list_dir');
    assert.equal(on['ok'], false);
    assert.equal((on['error'] as { code: string }).code, 'AUDIT_UNAVAILABLE');
    const { switches } = (await daemon.ctl('status')) as { switches: { tools: { name: string }[] } };
    assert.deepEqual(
      switches.tools.map(({ name }) => name),
      ['fx/list_dir'],
    );
  });

  it('it recovers by itself when there is room again', async () => {
    rmSync(ballast());
    await until('ready', async () => (await readiness()) === 200);
    const { text, reply } = await echo();
    assert.equal(textOf(reply), text);
    // The switch that was thrown meanwhile is in force and, by now, on record.
    assert.equal(textOf(await session.call('list_dir')), 'Unknown tool: list_dir');
    assert.ok(
      daemon
        .journal()
        .some(
          ({ kind, command, args }) =>
            kind === 'command' && command === 'disable-tool' && String(args).includes('fx/list_dir'),
        ),
    );
  });

  it('what went out is on record, all of it, and nothing else says that it did', async () => {
    const records = daemon.journal();
    const intended = records
      .filter(({ kind }) => kind === 'decision')
      .map(({ resources }) => (resources as { text?: string } | undefined)?.text);
    for (const text of sent) {
      assert.ok(daemon.raw().includes(text));
      assert.equal(intended.filter((it) => it === text).length, 1);
    }
    assert.ok(sent.length > 0);
    const numbers = records.map(({ seq }) => seq as number);
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(numbers).size, numbers.length);
  });
});

/** Why a small disk cannot be had here; false when it can. */
function mountable(): string | false {
  if (process.platform !== 'linux') return 'needs tmpfs, which is on Linux';
  if (process.getuid?.() !== 0) return 'needs root, to mount a small disk';
  const place = `/tmp/mcpd-mount-${randomUUID()}`;
  mkdirSync(place);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place], { stdio: 'ignore' });
    execFileSync('umount', [place], { stdio: 'ignore' });
    return false;
  } catch {
    return 'needs leave to mount, which root does not have here';
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
