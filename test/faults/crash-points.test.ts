/**
 * The daemon dies at every place where bytes reach the disk. After each death: it starts, the journal verifies, what was
 * acknowledged is on record, nothing was made without a record, and what was switched off with exit 0 is off.
 *
 * The N-th system call on any file of the state directory ends the process (strace(1), `signal=KILL:when=N`), for N = 1, 2, …
 * until a whole life goes by in which none fires. strace counts for each thread.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestDaemon, until } from '../support/daemon.ts';
import { figure, isWhole } from '../support/faults.ts';
import { History, recorded } from './support/history.ts';
import { boot, launch, tryBoot, type Launched } from './support/launch.ts';
import { traced, untraceable, writing } from './support/strace.ts';
import { verified } from './support/verified.ts';

const skip = untraceable();
/** More system calls than one life makes; a loop without an end would say nothing. */
const callsMax = 400;

/**
 * Every file of the state that is written in place or replaced, with the names that it has on the way. Those beside a database
 * are gone after a clean end, and what a switch is committed to is one of them.
 */
function paths(state: string): string[] {
  const under = (dir: string): string[] =>
    readdirSync(dir, { withFileTypes: true }).flatMap((it) => {
      const path = join(dir, it.name);
      // The log is no promise, and the socket and its token are made anew by every start.
      if (it.isDirectory()) return ['log', 'control'].includes(it.name) ? [] : [path, ...under(path)];
      return it.isFile() ? ['', '.new', '-wal', '-shm', '-journal'].map((end) => path + end) : [];
    });
  const found = under(state);
  const next = found
    .filter((path) => /journal-\d{6}\.jsonl$/.test(path))
    .map((path) => path.replace(/\d{6}(?=\.jsonl)/, (number) => String(Number(number) + 1).padStart(6, '0')));
  return [...new Set([state, ...found, ...next])];
}

describe('C-11 a crash at any input or output on journal and state', { skip, timeout: 3_600_000 }, () => {
  let daemon: TestDaemon;
  let history: History;
  let known: string[] = [];
  /** The last words of each tracer that killed: where the daemon died. */
  const places: string[] = [];
  before(async () => {
    daemon = await TestDaemon.start({ servers: { fx: recorded }, boot: false });
    history = new History(daemon);
    const launched = await boot(daemon);
    await live();
    await end(launched);
    known = paths(daemon.state);
  });
  after(async () => daemon[Symbol.asyncDispose]());

  /** What a day brings, in two seconds. Stops where nobody answers any more. */
  async function live(): Promise<void> {
    const session = await daemon.session('fx');
    await history.call(session);
    await history.switchTo('off');
    await history.call(session);
    await Promise.all(Array.from({ length: 5 }, () => history.call(session)));
    await history.switchTo('on');
    await history.call(session);
    await history.switchTo('off');
    await history.call(session);
  }

  async function end(launched: Launched): Promise<void> {
    if (launched.end === undefined) launched.child.kill('SIGTERM');
    await launched.finish();
  }

  /** One life with a death at the N-th call. False: it went by without one. */
  async function dieAt(n: number): Promise<boolean> {
    const log = join(daemon.dir, 'strace.log');
    rmSync(log, { force: true });
    const killing = traced(log, [{ calls: writing, how: `signal=KILL:when=${n}` }], known);
    const { launched, ready } = await tryBoot(daemon, { before: killing.before });
    // Its connections end in the middle, which is what is wanted.
    const lived =
      ready &&
      (await live().then(
        () => true,
        () => false,
      ));
    await end(launched);
    const died = launched.end?.signal === 'SIGKILL';
    assert.ok(died || lived, `nothing fired at N=${n}, and yet its life was cut short: ${daemon.output}`);
    if (!died) assert.equal(launched.end?.code, 0, `it ended otherwise at N=${n}: ${daemon.output}`);
    await until('the tracer is gone', () => !isTraced(launched.child.pid ?? 0));
    history.checkRecords();
    if (died) places.push(lastCall(killing.told()));
    return died;
  }

  /** The next start, and everything that must hold then. */
  async function comeBack(n: number): Promise<void> {
    const { launched, ready } = await tryBoot(daemon);
    assert.ok(ready, `after a death at N=${n} it does not start:\n${daemon.output}`);
    const session = await daemon.session('fx');
    await history.checkSwitch(session);
    await history.switchTo('on');
    await history.call(session);
    await end(launched);
    history.checkRecords();
    await verified(daemon, `after a death at N=${n}`);
  }

  it('C-11 in the middle of its work', { timeout: 3_600_000 }, async (t) => {
    let deaths = 0;
    let n = 1;
    places.length = 0;
    for (; n < callsMax; n += isWhole ? 1 : Math.max(4, n * 3)) {
      const died = await dieAt(n);
      if (!died) break;
      deaths++;
      await comeBack(n);
    }
    t.diagnostic(`${deaths} deaths, the last N=${n} fired in no call; ${history.acknowledged.length} calls`);
    figure('C-11', 'deaths at work', deaths);
    figure('C-11', 'calls acknowledged', history.acknowledged.length);
    const hit = namesIn(places);
    figure('C-11', 'files it died at, at work', hit.join(', '));
    assert.ok(n < callsMax, 'every N fired; there is no telling that all were tried');
    assert.ok(deaths >= (isWhole ? 40 : 3), `${deaths} deaths`);
    // What a switch and a record are written to were among them.
    if (isWhole)
      for (const file of [/state\.db-wal$/, /journal-\d+\.jsonl$/])
        assert.ok(
          hit.some((name) => file.test(name)),
          `no death at ${String(file)}, only at ${hit.join(', ')}`,
        );
  });

  it('C-11 at its first start', { timeout: 3_600_000 }, async (t) => {
    const keys = readFileSync(join(daemon.state, 'keys.json'));
    let deaths = 0;
    let n = 1;
    places.length = 0;
    for (; n < callsMax; n += isWhole ? 1 : 10) {
      for (const name of readdirSync(daemon.state))
        if (name !== 'keys.json') rmSync(join(daemon.state, name), { recursive: true, force: true });
      assert.deepEqual(readFileSync(join(daemon.state, 'keys.json')), keys);
      const log = join(daemon.dir, 'strace.log');
      rmSync(log, { force: true });
      const killing = traced(log, [{ calls: writing, how: `signal=KILL:when=${n}` }], known);
      const { launched } = await tryBoot(daemon, { before: killing.before });
      await end(launched);
      await until('the tracer is gone', () => !isTraced(launched.child.pid ?? 0));
      if (launched.end?.signal !== 'SIGKILL') break;
      places.push(lastCall(killing.told()));
      deaths++;
      const again = launch(daemon);
      await until(`after a death at N=${n} of the first start it runs`, async () => {
        assert.equal(again.end, undefined, `after a death at N=${n} of its first start:\n${daemon.output}`);
        return (await fetch(`${daemon.url}/healthz`).catch(() => undefined))?.status === 200;
      });
      await end(again);
      await verified(daemon, `after a death at N=${n} of the first start`);
    }
    t.diagnostic(`${deaths} deaths`);
    figure('C-11', 'deaths at the first start', deaths);
    figure('C-11', 'files it died at, at the first start', namesIn(places).join(', '));
    if (isWhole) assert.ok(namesIn(places).some((name) => name.endsWith('state.db-wal')));
    assert.ok(deaths >= (isWhole ? 40 : 1));
  });
});

/** With the names of its files (`strace -y`). */
function lastCall(log: string): string {
  return log.split('\n').findLast((line) => line.includes('(')) ?? '';
}

/** Of files, without their folders. */
function namesIn(calls: readonly string[]): string[] {
  const names = calls.flatMap((call) => /<([^>]*)>|"([^"]*)"/.exec(call)?.slice(1) ?? []);
  return [...new Set(names.filter((name) => name !== undefined).map((name) => basename(name)))].sort();
}

function isTraced(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}`).length > 0;
  } catch {
    return false;
  }
}
