// C-06 to C-08: children that print garbage, that crash over and over, and that leave others behind.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LegacyCaller } from '../load/callers.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { alive, endNow, initialize, post, serving, textOf, until } from '../support/daemon.ts';
import { all, Bystander, calm, endsWell, program } from './support/beside.ts';
import { cpuMsOf, Watched } from './support/watch.ts';

// They mostly wait; what is measured in the whole run is not the other tests.
const limits = { timeout: isWhole ? 900_000 : 110_000, concurrency: isWhole ? 1 : 3 };

/** Of the processes of `forks`, in the order in which it tells them. */
const names = [
  'the child',
  'in its group',
  'outside its group',
  'outside, with no environment',
  'a double fork that lingered',
  'a double fork at once',
];

describe('children that crash and that do not go', limits, () => {
  it('C-06 garbage is dropped and counted; a child that cannot start says why, without its secret', async () => {
    await using watched = await Watched.start({
      servers: {
        garbage: serving('prints-garbage', `sharing = "all"\n${all}`),
        early: serving('exits-at-once', all),
        tells: program('dies', `restarts = { max = 0, within = "1m" }\n${all}`),
        calm,
      },
    });
    const { daemon } = watched;
    const caller = new LegacyCaller('c', { url: daemon.url, server: 'garbage', key: daemon.key });
    for (let turn = 0; turn < 5; turn++) assert.equal((await caller.call('x')).end, 'answered');
    const { dropped } = (await daemon.status('garbage')) as unknown as { dropped: number };
    assert.ok(dropped >= 7, `${dropped} dropped`);
    await until(
      'the one that tells is given up',
      async () => (await daemon.status('tells')).state === 'given-up',
      600,
    );
    const { because } = await daemon.status('tells');
    assert.match(because ?? '', /cannot go on; my token is/);
    // Its canary is searched for everywhere when the daemon goes; here, that something else stands in its place.
    assert.doesNotMatch(because ?? '', new RegExp(daemon.canaries?.mark ?? 'no canaries'));
    await until('the other one has said why, too', async () =>
      /cannot find my database/.test((await daemon.status('early')).because ?? ''),
    );
    caller.hangUp();
    await endsWell(watched, 'C-06');
  });

  it('C-07 a child forks, leaves its group and ignores SIGTERM: a restart, a reload and the end of the daemon end all of it', async () => {
    await using watched = await Watched.start({
      servers: { forks: program('forks', `sharing = "all"\n${all}`), calm },
    });
    const { daemon } = watched;
    const seen: number[] = [];
    const tell = async (): Promise<readonly number[]> => {
      const pids = JSON.parse(await (await daemon.session('forks')).text('pids')) as number[];
      seen.push(...pids);
      assert.equal(pids.length, names.length);
      assert.ok(pids.every(alive));
      return pids;
    };
    const left: string[] = [];
    /** `from`: before the command, because a command may itself wait for the end. */
    const gone = async (how: string, pids: readonly number[], from: number): Promise<void> => {
      await until('all are gone', () => !pids.some(alive), 160).catch(() => undefined);
      const took = Math.round(performance.now() - from);
      figure('C-07', `${how}: all gone after ms`, took);
      for (const [at, pid] of pids.entries())
        if (alive(pid)) left.push(`${how}: ${names[at % names.length]}`);
      // Three steps of two seconds to end it, and two seconds more.
      if (isWhole) assert.ok(took <= 8000, `${how}: all gone after ${took} ms`);
    };
    try {
      const first = await tell();
      let from = performance.now();
      assert.equal((await daemon.ctl('restart', 'forks'))['ok'], true);
      // Nobody saw whose the last one was: it lives until mcpd ends (docs/supervision.md).
      await gone('restart', first.slice(0, -1), from);

      if (isWhole) {
        const second = await tell();
        rmSync(join(daemon.policies, 'servers', 'forks.toml'));
        from = performance.now();
        assert.equal((await daemon.ctl('reload'))['ok'], true);
        await gone('its file is removed', second.slice(0, -1), from);
        daemon.write('servers/forks.toml', program('forks', `sharing = "all"\n${all}`));
        assert.equal((await daemon.ctl('reload'))['ok'], true);
      }
      await tell();
      // It stops calls, and no process: of what was switched off, too, nothing outlives mcpd (docs/reliability.md).
      assert.equal((await daemon.ctl('disable-server', 'forks', '--now'))['ok'], true);
      from = performance.now();
      assert.equal(await watched.end('SIGTERM'), 0);
      figure('C-07', 'end of the daemon: took ms', Math.round(performance.now() - from));
      await gone('end of the daemon', seen.slice(-names.length), from);
      await gone('end of the daemon, of earlier children', seen.slice(0, -names.length), from);
    } finally {
      seen.forEach(endNow);
    }
    assert.deepEqual(left, []);
    await endsWell(watched, 'C-07');
  });

  it('C-08 crash loops of every kind are given up, are visible, cost nothing, and are mended with one command', async () => {
    const kinds = ['at-once', 'later', 'after-handshake'] as const;
    const file = (kind: string): string =>
      program(
        'dies',
        `sharing = "all"\nrestarts = { max = 3, within = "1m" }\n[env]\nDIES = "${kind}"\nMENDED = "$DIR/mended-${kind}"\nBEGINS = "$DIR/begins-${kind}"\n${all}`,
      );
    // What is measured is its processor, and not what it takes to be asked for its health twenty times a second.
    await using watched = await Watched.start({ servers: { calm }, unprobed: true });
    const { daemon } = watched;
    const begins = (kind: string): number[] =>
      readFileSync(join(daemon.dir, `begins-${kind}`), 'utf8')
        .trim()
        .split('\n')
        .map(Number);
    const givenUp = async (): Promise<void> => {
      for (const kind of kinds)
        await until(`${kind} is given up`, async () => (await daemon.status(kind)).state === 'given-up', 600);
    };
    await using beside = new Bystander(watched);
    // Not with the start of the daemon, which is ready only when the last of them is given up.
    for (const kind of kinds) daemon.write(`servers/${kind}.toml`, file(kind));
    const from = performance.now();
    assert.equal((await daemon.ctl('reload'))['ok'], true);
    await givenUp();
    figure('C-08', 'all given up after ms', Math.round(performance.now() - from));
    await beside.noticedNothing();
    for (const kind of kinds) {
      const { restarts, because, pid } = await daemon.status(kind);
      assert.ok(restarts <= 3, `${kind}: ${restarts} restarts`);
      assert.match(because ?? '', /cannot go on/);
      assert.equal(pid, null);
      grows(kind, begins(kind));
      const since = performance.now();
      const { status, body } = await post(daemon, kind, daemon.key, undefined, initialize());
      const took = performance.now() - since;
      // Why is told to the operator alone.
      assert.equal(body.error?.code, 1502, `${kind}: ${status} ${JSON.stringify(body)}`);
      assert.match(body.error.message, /is not running/);
      if (isWhole) assert.ok(took <= 1000, `${kind}: answered after ${took} ms`);
    }
    const idle = await shareOf(daemon.pid, () => sleep(times(500, 10_000)));
    figure('C-08', 'processor used after giving up, of one core', idle);
    if (isWhole) {
      assert.ok(idle < 0.05, String(idle));
      // The loops once more, with nobody else who asks for anything.
      const looping = await shareOf(daemon.pid, async () => {
        for (const kind of kinds) assert.equal((await daemon.ctl('restart', kind))['ok'], true);
        await sleep(7000);
      });
      figure('C-08', 'processor used in the loops, of one core', looping);
      assert.ok(looping < 0.05, String(looping));
      await givenUp();
    }

    for (const kind of kinds) {
      writeFileSync(join(daemon.dir, `mended-${kind}`), '');
      assert.equal((await daemon.ctl('restart', kind))['ok'], true);
      await until(`${kind} is back`, async () => (await daemon.status(kind)).state === 'ready');
      const session = await daemon.session(kind);
      assert.equal(textOf(await session.call('well')), 'well');
    }
    await endsWell(watched, 'C-08');
  });
});

/** Each pause is twice the one before, and at least half of that (docs/supervision.md); what dies first lives meanwhile. */
function grows(kind: string, begins: readonly number[]): void {
  assert.equal(begins.length, 4, `${kind} began ${begins.length} times`);
  const pauses = begins.slice(1).map((at, n) => at - (begins[n] ?? 0));
  figure('C-08', `${kind}: pauses between starts, ms`, pauses.join(', '));
  // The clocks of two processes and a timer may each be a millisecond off.
  for (const [n, pause] of pauses.entries())
    assert.ok(pause >= 125 * 2 ** n - 5, `${kind}: started again after ${pauses.join(', ')} ms`);
}

/** Of one core. */
async function shareOf(pid: number, work: () => Promise<unknown>): Promise<number> {
  const [cpu, at] = [cpuMsOf(pid), performance.now()];
  await work();
  return Math.round(((cpuMsOf(pid) - cpu) / (performance.now() - at)) * 1000) / 1000;
}
