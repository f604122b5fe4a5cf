/**
 * A process that changes the state is ended at every single step that reaches the disk, or is told there that the disk has
 * failed (by strace). Whatever it had said was kept is there afterwards, and nothing that it had said was not.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { openState } from '../../src/open-state.ts';
import { GrantStore } from '../../src/operate/grants.ts';
import { nothingSwitchedOff, SwitchStore } from '../../src/operate/switches.ts';
import { isWhole } from '../support/faults.ts';
import { eachAlone } from '../faults/support/strace.ts';
import { writeGrants, writeLock, writeSwitches } from '../support/old-state.ts';

const steps =
  'openat,write,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2,ftruncate,truncate,unlink,unlinkat';
const cannotTrace = (): string | false => {
  const { status } = spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=none', 'true']);
  return status === 0 ? false : 'needs strace, and leave to trace';
};
const skip = cannotTrace();

let dir = '';
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'mcpd-crashes-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const at = (name: string) => join(dir, name);

/** Every file that the state is made of. */
function paths(): string[] {
  const olds = ['switches.json', 'grants.json', 'pins.json'];
  const marks = ['state-was-kept', 'switches-were-kept'];
  return [
    dir,
    ...['state.db', 'state.db-wal', 'state.db-shm', 'state.db-journal'].map(at),
    ...[...marks, ...marks.map((it) => `${it}.new`), ...olds, ...olds.map((it) => `${it}.migrated`)].map(at),
  ];
}

type Flips = { readonly lines: readonly string[]; readonly fired: boolean };

/** Runs `flips.ts` with a fault, and gives what it said before its end. */
async function flips(fault: string, calls: string, count: number, end = 'close'): Promise<Flips> {
  const log = `${dir}.log`;
  const args = ['-f', '-qq', '-s', '0', '-o', log, '-e', 'signal=none', '-e', `trace=${calls}`];
  const filter = paths().flatMap((path) => ['-P', path]);
  const program = [process.execPath, join(import.meta.dirname, 'flips.ts'), dir, String(count), end];
  const child = spawn('strace', [...args, '-e', `inject=${calls}:${fault}`, ...filter, ...program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  // strace ends as what it traced did.
  const signal = await new Promise((resolve) => child.on('close', (_, by) => resolve(by)));
  const isKill = fault.startsWith('signal');
  const fired = isKill ? signal === 'SIGKILL' : readFileSync(log, 'utf8').includes('(INJECTED)');
  rmSync(log, { force: true });
  return { lines: said.split('\n').filter((line) => line !== ''), fired };
}

/** What is off by what was said; the change that nobody heard of may have come about or not. */
function mustBeAsSaid(lines: readonly string[], start: readonly string[], what: string): void {
  const kept = new Set(start);
  const inForce = new Set(start);
  const changes = lines.flatMap((line) => {
    const [, number = '', how = '', name = ''] = /^(\d+) (on|off|not) (\S+)/.exec(line) ?? [];
    return number === '' ? [] : [{ how, name }];
  });
  for (const { how, name } of changes) {
    if (how === 'off') inForce.add(name);
    else if (how === 'on') inForce.delete(name);
    // Said not to be durable: thrown it is in force all the same; taken back it is not.
    else if (!inForce.has(name)) {
      inForce.add(name);
      continue;
    } else continue;
    kept.clear();
    for (const it of inForce) kept.add(it);
  }
  const next = `fx/${changes.length % 3 === 2 ? changes.length - 2 : changes.length}`;
  const state = openState(dir);
  const off = new Set(SwitchStore.open(state.database).current().tools.keys());
  state.close();
  const wasHeard = lines.includes('done');
  for (const name of new Set([...kept, ...off])) {
    if (!wasHeard && name === next) continue;
    // What was thrown and not kept may come back all the same: the operator was told that it need not.
    if (inForce.has(name) && !kept.has(name)) continue;
    assert.equal(off.has(name), kept.has(name), `${what}: ${name}\n${lines.join('\n')}`);
  }
}

/** Step numbers: all of them, or some of the first that are likely to be reached. */
function* numbers(quick: readonly number[]): Generator<number> {
  if (!isWhole) yield* quick;
  else for (let number = 1; number < 1000; number++) yield number;
}

const kinds = isWhole ? eachAlone(steps) : [steps];

/** The death of a process at the N-th step of each kind, until none is the N-th; gives how often it died at which kind. */
async function deaths(
  quick: readonly number[],
  die: (kind: string, number: number) => Promise<boolean>,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const kind of kinds)
    for (const number of numbers(quick)) {
      rmSync(dir, { recursive: true, force: true });
      dir = mkdtempSync(join(tmpdir(), 'mcpd-crashes-'));
      if (!(await die(kind, number))) break;
      counts.set(kind, number);
    }
  return counts;
}

/** So many steps of the commonest kind, and some of each other kind that there is. */
function mustHaveReached(reached: ReadonlyMap<string, number>, atLeast: number): void {
  const told = [...reached].map(([kind, number]) => `${kind} ${number}`).join(', ');
  assert.ok((reached.get(isWhole ? 'pwrite64' : steps) ?? 0) >= atLeast, told);
  if (!isWhole) return;
  for (const kind of ['openat', 'fsync', 'rename', 'ftruncate', 'unlink']) assert.ok(reached.has(kind), told);
}

describe('C-11 a process that changes switches', { skip, timeout: 1_800_000 }, () => {
  test('C-11 is killed at the N-th step: what it had acknowledged is there', async () => {
    const reached = await deaths([3, 30, 43, 52, 60, 70], async (kind, number) => {
      const { lines, fired } = await flips(`signal=KILL:when=${number}`, kind, 9);
      if (fired) mustBeAsSaid(lines, [], `killed at step ${number} of ${kind}`);
      return fired;
    });
    mustHaveReached(reached, 60);
  });

  for (const [calls, error] of [
    ['fsync,fdatasync', 'EIO'],
    ['pwrite64', 'EIO'],
    ['pwrite64', 'ENOSPC'],
  ] as const)
    for (const lasting of ['', '+'])
      test(`C-11 is told ${error} at the N-th ${calls}${lasting === '' ? '' : ' and from then on'}, and dies: so it is`, async () => {
        let reached = 0;
        for (const number of numbers(calls === 'pwrite64' ? [9] : [4, 7])) {
          rmSync(dir, { recursive: true, force: true });
          dir = mkdtempSync(join(tmpdir(), 'mcpd-crashes-'));
          openState(dir).close();
          // Three changes, so that the last is one that takes a switch back; and nine.
          for (const count of [3, 9]) {
            const start = offNow();
            const fault = `error=${error}:when=${number}${lasting}`;
            const { lines, fired } = await flips(fault, calls, count, 'die');
            if (fired) reached = number;
            if (lines.some((line) => line.startsWith('open')))
              mustBeAsSaid(lines, start, `${fault} ${count}`);
          }
          if (reached < number) break;
        }
        assert.ok(reached > 0);
      });
});

function offNow(): string[] {
  const state = openState(dir);
  const off = [...SwitchStore.open(state.database).current().tools.keys()];
  state.close();
  return off;
}

describe('C-29 the state of an older mcpd', { skip, timeout: 1_800_000 }, () => {
  const off = { at: 1, by: 'ana', reason: '' };
  const switches = { ...nothingSwitchedOff, tools: new Map([['fx/0', off]]), lockdown: off };
  const grant = {
    ...{ id: 'g1', caller: 'ana', server: 'fx', tool: 'echo', by: 'ops', reason: '' },
    ...{ at: 1000, untilMs: 5000 },
  };

  test('C-29 is taken over although mcpd is killed at the N-th step, and an older one never finds nothing', async () => {
    const reached = await deaths([4, 12, 20, 28, 36, 42], async (kind, number) => {
      const where = `step ${number} of ${kind}`;
      writeFileSync(at('switches.json'), writeSwitches({ changes: 7, switches }), { mode: 0o600 });
      // As it is where the older one was killed before it had made its mark.
      if (number % 2 === 0) writeFileSync(at('switches-were-kept'), '', { mode: 0o600 });
      writeFileSync(at('grants.json'), writeGrants({ changes: 1, grants: [grant] }), { mode: 0o600 });
      writeFileSync(at('pins.json'), writeLock(new Map()), { mode: 0o600 });
      const { fired } = await flips(`signal=KILL:when=${number}`, kind, 0);
      if (!fired) return false;
      assert.ok(existsSync(at('switches.json')) || existsSync(at('switches-were-kept')), where);
      const state = openState(dir);
      const store = SwitchStore.open(state.database);
      assert.deepEqual([store.current(), store.changes()], [switches, 7], where);
      assert.deepEqual(GrantStore.open(state.database).current(), [grant], where);
      state.close();
      for (const name of ['switches.json', 'grants.json', 'pins.json'])
        assert.ok(!existsSync(at(name)) && existsSync(at(`${name}.migrated`)), `${where}: ${name}`);
      return true;
    });
    mustHaveReached(reached, 36);
  });
});
