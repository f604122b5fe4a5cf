/**
 * The daemon dies at every place where bytes reach the disk. After each death: it starts, the journal verifies, what was
 * acknowledged is on record, nothing was made without a record, and what was switched off with exit 0 is off.
 *
 * The N-th system call of a kind on any file of the state directory ends the process (strace(1), `signal=KILL:when=N`), for each
 * kind and N = 1, 2, … until a whole life goes by in which none fires. strace counts for each thread.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestDaemon, until } from '../support/daemon.ts';
import { figure, isWhole } from '../support/faults.ts';
import { History, recorded } from './support/history.ts';
import { boot, launch, tryBoot, type Launched } from './support/launch.ts';
import { eachAlone, traced, untraceable, writing } from './support/strace.ts';
import { verified } from './support/verified.ts';

const skip = untraceable();
/** More system calls than one life makes; a loop without an end would say nothing. */
const callsMax = 400;
/** In the quick selection all of them together, which is a death at some of the commonest. */
const kinds = isWhole ? eachAlone(writing) : [writing];

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

  /** One life with a death at the N-th of these calls. False: it went by without one. */
  async function dieAt(calls: string, n: number): Promise<boolean> {
    const log = join(daemon.dir, 'strace.log');
    rmSync(log, { force: true });
    const killing = traced(log, [{ calls, how: `signal=KILL:when=${n}` }], known);
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
    const told = `${calls} ${n}`;
    assert.ok(died || lived, `nothing fired at ${told}, and yet its life was cut short: ${daemon.output}`);
    if (!died) assert.equal(launched.end?.code, 0, `it ended otherwise at ${told}: ${daemon.output}`);
    await until('the tracer is gone', () => !isTraced(launched.child.pid ?? 0));
    history.checkRecords();
    if (died) places.push(lastCall(killing.told()));
    return died;
  }

  /** The next start, and everything that must hold then. */
  async function comeBack(where: string): Promise<void> {
    const { launched, ready } = await tryBoot(daemon);
    assert.ok(ready, `after a death at ${where} it does not start:\n${daemon.output}`);
    const session = await daemon.session('fx');
    await history.checkSwitch(session);
    await history.switchTo('on');
    await history.call(session);
    await end(launched);
    history.checkRecords();
    await verified(daemon, `after a death at ${where}`);
  }

  it('C-11 in the middle of its work', { timeout: 3_600_000 }, async (t) => {
    let deaths = 0;
    places.length = 0;
    for (const calls of kinds) {
      let n = 1;
      for (; n < callsMax && (await dieAt(calls, n)); n += isWhole ? 1 : Math.max(4, n * 3)) {
        deaths++;
        await comeBack(`${calls} ${n}`);
      }
      assert.ok(n < callsMax, `every ${calls} fired; there is no telling that all were tried`);
    }
    t.diagnostic(`${deaths} deaths; ${history.acknowledged.length} calls`);
    figure('C-11', 'deaths at work', deaths);
    figure('C-11', 'calls acknowledged', history.acknowledged.length);
    const hit = hits(places);
    figure('C-11', 'where it died, at work', hit.join(', '));
    assert.ok(deaths >= (isWhole ? 80 : 3), `${deaths} deaths`);
    // What a switch and a record are written to, and what puts them on the disk, were among them.
    if (isWhole)
      for (const place of [
        'pwrite64 state.db-wal',
        'write journal-000001.jsonl',
        'fdatasync journal-000001.jsonl',
      ])
        assert.ok(hit.includes(place), `no death at ${place}, only at ${hit.join(', ')}`);
  });

  it('C-11 at its first start', { timeout: 3_600_000 }, async (t) => {
    const keys = readFileSync(join(daemon.state, 'keys.json'));
    let deaths = 0;
    places.length = 0;
    const firstLife = async (calls: string, n: number): Promise<boolean> => {
      for (const name of readdirSync(daemon.state))
        if (name !== 'keys.json') rmSync(join(daemon.state, name), { recursive: true, force: true });
      assert.deepEqual(readFileSync(join(daemon.state, 'keys.json')), keys);
      const log = join(daemon.dir, 'strace.log');
      rmSync(log, { force: true });
      const killing = traced(log, [{ calls, how: `signal=KILL:when=${n}` }], known);
      const { launched } = await tryBoot(daemon, { before: killing.before });
      await end(launched);
      await until('the tracer is gone', () => !isTraced(launched.child.pid ?? 0));
      if (launched.end?.signal !== 'SIGKILL') return false;
      places.push(lastCall(killing.told()));
      return true;
    };
    for (const calls of kinds) {
      let n = 1;
      for (; n < callsMax && (await firstLife(calls, n)); n += isWhole ? 1 : 10) {
        deaths++;
        const where = `after a death at ${calls} ${n} of the first start`;
        const again = launch(daemon);
        await until(`${where} it runs`, async () => {
          assert.equal(again.end, undefined, `${where}:\n${daemon.output}`);
          return (await fetch(`${daemon.url}/healthz`).catch(() => undefined))?.status === 200;
        });
        await end(again);
        await verified(daemon, where);
      }
      assert.ok(n < callsMax, `every ${calls} fired; there is no telling that all were tried`);
    }
    t.diagnostic(`${deaths} deaths`);
    const hit = hits(places);
    figure('C-11', 'deaths at the first start', deaths);
    figure('C-11', 'where it died, at the first start', hit.join(', '));
    if (isWhole)
      for (const place of ['pwrite64 state.db-wal', 'write journal-000001.jsonl'])
        assert.ok(hit.includes(place), `no death at ${place}, only at ${hit.join(', ')}`);
    assert.ok(deaths >= (isWhole ? 80 : 1));
  });
});

/** With the names of its files (`strace -y`). */
function lastCall(log: string): string {
  return log.split('\n').findLast((line) => line.includes('(')) ?? '';
}

/** What it did, and to which file, without its folders. */
function hits(calls: readonly string[]): string[] {
  const found = calls.flatMap((call) => {
    const [, what, open, named = open] = /(\w+)\((?:\d+<([^>]*)>|"([^"]*)")/.exec(call) ?? [];
    return what === undefined || named === undefined ? [] : [`${what} ${basename(named)}`];
  });
  return [...new Set(found)].sort();
}

function isTraced(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}`).length > 0;
  } catch {
    return false;
  }
}
