import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { usualCare } from '../../src/domain/care.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { ServerSpec } from '../../src/domain/orders.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import { standardPace } from '../../src/fleet/pace.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import {
  ask,
  callText,
  errorOf,
  fleetOf,
  isAlive,
  openSession,
  passOf,
  quickPace,
  request,
  specOf,
  toolCall,
  until,
} from './support.ts';

const running: Fleet[] = [];
afterEach(() => Promise.all(running.splice(0).map((fleet) => fleet.stop())));

function start(
  fixture: string,
  spec: Partial<ServerSpec> = {},
  more: Parameters<typeof fleetOf>[0] = {},
): ReturnType<typeof fleetOf> {
  const parts = fleetOf(more);
  running.push(parts.fleet);
  parts.fleet.apply([specOf(fixture, { sharing: 'all', ...spec })]);
  return parts;
}

const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const statusOf = (fleet: Fleet) => {
  const [status] = fleet.status();
  assert.ok(status !== undefined);
  return status;
};
const zombies = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return new RegExp(`\\) Z ${process.pid} `).test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
      } catch {
        return false;
      }
    });

/** Pipes and sockets that this process has open. */
const pipes = () =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return /^(pipe|socket):/.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false;
    }
  }).length;

describe('C-01 a child is killed in the middle of a call', () => {
  it('C-01 the caller hears of it, each time, and the next call finds a new child', async () => {
    const care = { ...usualCare, deathsMax: 1000 };
    const { fleet } = start('answers', { care }, { pace: { ...quickPace, backoffCapMs: 20 } });
    await fleet.waitReady(10_000);
    let slowest = 0;
    for (let at = 0; at < times(5, 100); at++) {
      await until(() => statusOf(fleet).state === 'ready');
      const call = ask(fleet, toolCall('slow', { ms: 60_000 }));
      call.catch(() => undefined);
      await until(() => statusOf(fleet).inFlight === 1);
      const from = performance.now();
      process.kill(statusOf(fleet).pid ?? 0, 'SIGKILL');
      await assert.rejects(call, fault('UPSTREAM_DIED'));
      slowest = Math.max(slowest, performance.now() - from);
      assert.equal(await callText(fleet, toolCall('echo', { text: 'next' })), 'next');
    }
    figure('C-01', 'from the kill to the error, slowest (ms)', Math.round(slowest));
  });
});

describe('C-02 time runs out', () => {
  it('C-02 as the tool says, and not as the server; the child is told, its late answer is dropped, and its place is free', async () => {
    const answerWithinMs = () => 500;
    const { fleet } = start('hangs', { concurrency: 1, env: { HANGS: 'ping' } }, { answerWithinMs });
    await fleet.waitReady(10_000);
    const tool = { ...passOf(toolCall('work', { ms: 900 })) };
    const call = { ...tool.call, target: { kind: 'tool', name: 'work' } as const };
    const from = performance.now();
    await assert.rejects(fleet.forward(withCall(tool.pass, call)), fault('UPSTREAM_TIMEOUT'));
    figure('C-02', 'a time-out of 500 ms came after (ms)', Math.round(performance.now() - from));
    assert.equal(statusOf(fleet).inFlight, 0);
    assert.equal(await callText(fleet, toolCall('work')), 'worked');
    await until(() => statusOf(fleet).dropped === 1);
    assert.equal(statusOf(fleet).restarts, 0);
  });

  it('C-02 progress gives a call its time anew, and the cap of its server ends it all the same', async () => {
    const { fleet, upcalls } = start('reports', { answerWithinMs: 300, answerWithinMsMax: 800 });
    await fleet.waitReady(10_000);
    const patient = toolCall('steps', { every: 50, times: 9 }, { progressToken: 1 });
    assert.equal(await callText(fleet, patient), 'done');
    const endless = toolCall('steps', { every: 50, times: 1_000_000 }, { progressToken: 2 });
    await assert.rejects(ask(fleet, endless), fault('UPSTREAM_TIMEOUT'));
    assert.ok(upcalls.length > 9);
  });
});

describe('C-06 a child that starts badly', () => {
  it('C-06 shows its last words, cleaned, in the state', async () => {
    const { fleet } = start('dies', { care: { ...usualCare, deathsMax: 0 } });
    await until(() => statusOf(fleet).state === 'given-up');
    assert.match(statusOf(fleet).because ?? '', /exited with code 7; its last words: will die: at-once/);
  });
});

describe('C-07 nobody is left', { skip: process.platform !== 'linux' }, () => {
  for (const early of isWhole ? [true, false] : [false])
    it(`C-07 of a server that was stopped: ${early ? 'what it started at once' : 'what it started later'}, in any group, without its environment, behind a parent that is gone`, async () => {
      const { fleet } = start('leaves-family', early ? { env: { EARLY: '1' } } : {});
      const told = JSON.parse(
        await callText(fleet, toolCall(early ? 'tell' : 'start', { ms: 1500 })),
      ) as number[];
      assert.equal(told.length, 5);
      assert.ok(told.every(isAlive));
      // The daemon among them is left behind by its parent while somebody looks now and then.
      if (early) await new Promise((resolve) => setTimeout(resolve, 1_800));
      const from = performance.now();
      await fleet.stop();
      await until(() => !told.some(isAlive));
      figure(
        'C-07',
        'stop of a family that ignores SIGTERM, steps of 200 ms (ms)',
        Math.round(performance.now() - from),
      );
      assert.deepEqual(zombies(), []);
    });

  it('C-07 of a server that was restarted, while the fleet goes on', async () => {
    const { fleet } = start('leaves-family');
    const told = JSON.parse(await callText(fleet, toolCall('start', { ms: 1500 }))) as number[];
    await fleet.restart('fx');
    await until(() => !told.some(isAlive));
    await until(() => statusOf(fleet).state === 'ready');
    assert.deepEqual(zombies(), []);
  });

  it('C-07 of a server that died', async () => {
    const { fleet } = start('leaves-family');
    const told = JSON.parse(await callText(fleet, toolCall('start', { ms: 60_000 }))) as number[];
    // Long enough for somebody to have looked.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await assert.rejects(ask(fleet, toolCall('die')), fault('UPSTREAM_DIED'));
    await until(() => !told.some(isAlive));
  });
});

describe('C-08 a crash loop', () => {
  for (const dies of isWhole ? ['at-once', '1000', 'greeted'] : ['greeted'])
    it(`C-08 ends: ${dies}; it is visible, calls are told at once, and a reset by hand works`, async () => {
      const care = { ...usualCare, deathsMax: 3, deathsWithinMs: 60_000 };
      const pace = isWhole ? standardPace : quickPace;
      const { fleet } = start('dies', { env: { DIES: dies }, care }, { pace, random: Math.random });
      const cpu = process.cpuUsage();
      const from = performance.now();
      await until(() => statusOf(fleet).state === 'given-up', 6_000);
      const used = process.cpuUsage(cpu);
      const tookMs = performance.now() - from;
      assert.equal(statusOf(fleet).restarts, 3);
      assert.match(statusOf(fleet).because ?? '', /^ended 4 times in 60 s, the last time: /);
      await assert.rejects(ask(fleet, toolCall('x')), (reason) => {
        assert.ok(reason instanceof Fault);
        return reason.code === 'UPSTREAM_DOWN' && reason.hint === 'mcpd ctl restart fx';
      });
      figure('C-08', `given up after (ms), dies ${dies}`, Math.round(tookMs));
      figure(
        'C-08',
        `processor time of the fleet meanwhile (%), dies ${dies}`,
        Math.round(((used.user + used.system) / 1000 / tookMs) * 100),
      );
      await fleet.restart('fx');
      assert.equal(statusOf(fleet).state, 'starting');
      await until(() => statusOf(fleet).state === 'given-up', 6_000);
      assert.equal(statusOf(fleet).restarts, 6);
    });
});

describe('C-16 a child that cannot start', () => {
  const deathsMax = 0;
  const cases: readonly [string, Partial<ServerSpec>, RegExp][] = [
    [
      'its program is missing',
      { command: '/nowhere/at/all' },
      /could not start: spawn \/nowhere\/at\/all ENOENT/,
    ],
    ['its program may not be run', { command: '/etc/passwd' }, /could not start: spawn \/etc\/passwd EACCES/],
    [
      'its folder is gone',
      { cwd: '/nowhere/at/all' },
      /ENOENT: its folder \/nowhere\/at\/all cannot be entered/,
    ],
    ['its folder is a file', { cwd: '/etc/passwd' }, /ENOTDIR: its folder \/etc\/passwd cannot be entered/],
    ['an argument cannot be passed', { args: ['a\0b'] }, /could not start: /],
  ];
  for (const [what, spec, because] of cases)
    it(`C-16 because ${what}: it is given up with the reason, and no pipe is left half open`, async () => {
      const before = pipes();
      const { fleet } = start('answers', { ...spec, care: { ...usualCare, deathsMax } });
      await until(() => statusOf(fleet).state === 'given-up');
      assert.match(statusOf(fleet).because ?? '', because);
      await assert.rejects(ask(fleet, toolCall('echo')), fault('UPSTREAM_DOWN'));
      await until(() => pipes() <= before);
    });

  const skip = process.platform !== 'linux' || process.getuid?.() !== 0;
  for (const [code, what, limit] of [
    ['EMFILE', 'there are no descriptors left', '--nofile'],
    ['EAGAIN', 'there are no processes left', '--nproc'],
  ] as const)
    it(
      `C-16 because ${what} (${code}): the reason is shown, the daemon lives, and it recovers`,
      { skip },
      async () => {
        const said = await withTooFew(limit);
        assert.match(said, new RegExp(`because: .*could not start: .*${code}`));
        assert.match(said, /recovered: ready/);
      },
    );
});

/** A fleet in a process of its own, and of another user: some limits do not hold for root. Starts a server when told so. */
const inNeed = `
  const here = process.argv[2];
  const { fleetOf, specOf, until } = await import(here + '/support.ts');
  const { usualCare } = await import(here + '/../../src/domain/care.ts');
  const { fleet } = fleetOf();
  const told = () => new Promise((resolve) => process.stdin.once('data', resolve));
  const status = () => fleet.status()[0];
  console.log('up');
  await told();
  fleet.apply([specOf('answers', { sharing: 'all', care: { ...usualCare, deathsMax: 1 } })]);
  await until(() => status().state === 'given-up');
  console.log('because: ' + status().because);
  await told();
  await fleet.restart('fx');
  await until(() => status().state === 'ready');
  console.log('recovered: ' + status().state);
  await fleet.stop();
  process.exit(0);
`;

/** What it said while it had too few of something, and then enough. */
function withTooFew(limit: '--nofile' | '--nproc'): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-short-'));
  chmodSync(dir, 0o755);
  const script = join(dir, 'short.mts');
  writeFileSync(script, inNeed, { mode: 0o644 });
  return new Promise((resolve) => {
    const other = ['--reuid=61234', '--clear-groups'];
    const child = spawn('setpriv', [...other, process.execPath, script, import.meta.dirname], {
      stdio: 'pipe',
    });
    // As that user, who may move its own limit up to the hard one.
    const may = (count: string) =>
      spawnSync('setpriv', [...other, 'prlimit', `--pid=${child.pid}`, `${limit}=${count}:`]);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (chunk.includes('up\n')) may('3');
      else if (chunk.includes('because')) may('4096');
      else return;
      child.stdin.write('go\n');
    });
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.on('close', () => {
      rmSync(dir, { recursive: true });
      resolve(said);
    });
  });
}

function withCall(
  pass: ReturnType<typeof passOf>['pass'],
  call: ReturnType<typeof passOf>['call'],
): typeof pass {
  Object.assign(pass.grounds, { call });
  return pass;
}

it('after a mass death not all start at once', async () => {
  const log: { at: number; state: string; server: string }[] = [];
  const parts = fleetOf({
    pace: { ...quickPace, turnMs: 60_000 },
    log: (_level, fields, message) => {
      const state = / is (starting|ready)$/.exec(message)?.[1];
      const { childPid, server } = fields as { childPid?: number; server?: string };
      if (state !== undefined) log.push({ at: childPid ?? 0, state, server: server ?? '' });
    },
  });
  running.push(parts.fleet);
  const names = Array.from({ length: 8 }, (_, at) => `fx${at}`);
  parts.fleet.apply(
    names.map((name) => specOf('slow-start', { name, sharing: 'all', env: { START_MS: '50' } })),
  );
  await until(() => parts.fleet.status().every(({ state }) => state === 'ready'));
  let most = 0;
  const watching = setInterval(() => {
    const starting = parts.fleet
      .status()
      .filter(({ state, pid }) => state === 'starting' && pid !== undefined);
    most = Math.max(most, starting.length);
  }, 1);
  for (const { pid } of parts.fleet.status()) process.kill(pid ?? 0, 'SIGKILL');
  await until(() => parts.fleet.status().every(({ state, restarts }) => state === 'ready' && restarts === 1));
  clearInterval(watching);
  const atOnce = Math.max(2, (await import('node:os')).availableParallelism());
  assert.ok(most >= 1 && most <= atOnce, `${most} started at once`);
});

it('an unknown method is answered by the child still', async () => {
  const { fleet } = start('answers', { sharing: 'session' });
  await openSession(fleet);
  const { code } = errorOf(await fleet.forward(passOf(request('no/such')).pass));
  assert.equal(code, -32601);
});
