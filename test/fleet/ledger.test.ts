import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { Ledger, readLedger } from '../../src/fleet/ledger.ts';
import { endLeftovers, familyOf } from '../../src/fleet/leftovers.ts';
import { rowOf, type Row } from '../../src/fleet/process-table.ts';
import { callText, fleetOf, isAlive, specOf, toolCall, until } from './support.ts';

const cookie = `ledger-test-${process.pid}-0123456789`;
let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-ledger-'));
  path = join(dir, 'children');
});
afterEach(() => rmSync(dir, { recursive: true }));

const fails = (reason: unknown) => assert.fail(String(reason));
const open = () => new Ledger(path, cookie, fails);
const written = () => new Promise((resolve) => setImmediate(resolve));
const skip = process.platform !== 'linux';

describe('the ledger', { skip }, () => {
  it('says who lives, also after it was written anew because it had grown', async () => {
    const ledger = open();
    ledger.came({ pid: 11, startTicks: 100 }, 'git hub/ü');
    ledger.came({ pid: 12, startTicks: 200 }, 'fx');
    for (let at = 0; at < 5_000; at++) {
      ledger.came({ pid: 20, startTicks: at }, 'fx');
      ledger.went({ pid: 20, startTicks: at });
      if (at % 500 === 0) await written();
    }
    ledger.went({ pid: 12, startTicks: 999 });
    await written();
    assert.deepEqual(
      readLedger(path, cookie).map(({ pid, startTicks }) => [pid, startTicks]),
      [
        [11, 100],
        [12, 200],
      ],
    );
    assert.ok(readFileSync(path, 'utf8').split('\n').length < 5_000);
    ledger.close();
  });

  it('of another boot, container or state directory says nothing', async () => {
    const ledger = open();
    ledger.came({ pid: 11, startTicks: 100 }, 'fx');
    await written();
    ledger.close();
    assert.deepEqual(readLedger(path, `${cookie}x`), []);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace(/ [0-9a-f-]{36}\//, ' 00000000-0000-0000-0000-000000000000/'));
    assert.deepEqual(readLedger(path, cookie), []);
    writeFileSync(path, text.replace(/\/\d+ /, '/1 '));
    assert.deepEqual(readLedger(path, cookie), []);
  });

  it('is read as far as it is whole, whatever stands in it', async () => {
    const ledger = open();
    ledger.came({ pid: 11, startTicks: 100 }, 'fx');
    await written();
    ledger.close();
    appendFileSync(path, `junk\n+ -1 5 fx\n+ 0x1 5 fx\n+ 13\n- 99 1\n\n+ 14 300 fx\n+ 15 4`);
    assert.deepEqual(
      readLedger(path, cookie).map(({ pid }) => pid),
      [11, 14],
    );
    for (const text of ['', '\0\0\0\0', 'x'.repeat(10_000)]) {
      writeFileSync(path, text);
      assert.deepEqual(readLedger(path, cookie), []);
    }
  });

  it('that others could have written is refused: it says whom to end', () => {
    open().close();
    chmodSync(path, 0o666);
    assert.throws(
      () => readLedger(path, cookie),
      (reason) => reason instanceof Fault,
    );
    rmSync(path);
    symlinkSync('/etc/passwd', path);
    assert.throws(
      () => readLedger(path, cookie),
      (reason) => reason instanceof Fault,
    );
  });

  it('that cannot be written any more is told of once, and holds up nobody', async () => {
    const told: unknown[] = [];
    const ledger = new Ledger(path, cookie, (reason) => told.push(reason));
    rmSync(dir, { recursive: true });
    for (let at = 0; at < 5_000; at++) ledger.went({ pid: at, startTicks: at });
    for (let at = 0; at < 5_000; at++) {
      ledger.came({ pid: 20, startTicks: at }, 'fx');
      ledger.went({ pid: 20, startTicks: at });
    }
    await written();
    ledger.came({ pid: 21, startTicks: 1 }, 'fx');
    await written();
    assert.equal(told.length, 1);
    ledger.close();
    dir = mkdtempSync(join(tmpdir(), 'mcpd-ledger-'));
  });

  it('is written whole again with the next who comes or goes, once it can be', async () => {
    const told: unknown[] = [];
    const ledger = new Ledger(path, cookie, (reason) => told.push(reason));
    ledger.came({ pid: 11, startTicks: 100 }, 'fx');
    await written();
    rmSync(dir, { recursive: true });
    // So many that it must be written anew.
    for (let at = 0; at < 5_000; at++) {
      ledger.came({ pid: 20, startTicks: at }, 'fx');
      ledger.went({ pid: 20, startTicks: at });
    }
    ledger.came({ pid: 12, startTicks: 200 }, 'fx');
    await written();
    assert.equal(told.length, 1);
    mkdirSync(dir);
    ledger.came({ pid: 13, startTicks: 300 }, 'fx');
    await written();
    ledger.went({ pid: 12, startTicks: 200 });
    await written();
    assert.deepEqual(
      readLedger(path, cookie).map(({ pid }) => pid),
      [11, 13],
    );
    ledger.close();
    ledger.came({ pid: 14, startTicks: 400 }, 'fx');
    await written();
    assert.equal(told.length, 1);
    assert.equal(readLedger(path, cookie).length, 2);
  });
});

describe('whose family it is', () => {
  const row = (pid: number, parent: number, group: number, session = group, startTicks = pid * 10): Row => ({
    pid,
    startTicks,
    state: 'S',
    parent,
    group,
    session,
    cpuTicks: 0,
  });
  const table = [
    row(1, 0, 1),
    row(500, 1, 500),
    row(501, 500, 500),
    row(502, 501, 502, 502),
    row(503, 1, 500),
    row(600, 1, 600),
    row(601, 600, 600),
    row(process.pid, 500, 500),
  ];
  const family = (pid: number, startTicks: number) =>
    familyOf([{ pid, startTicks, server: 'fx' }], table).map((it) => it.pid);

  it('is what it started and who is in its group, and never ourselves', () =>
    assert.deepEqual(family(500, 5000), [500, 501, 502, 503]));

  it('of a process whose number is another’s by now, is nobody’s', () => {
    assert.deepEqual(family(500, 4999), []);
    assert.deepEqual(family(600, 1), []);
  });

  it('of a leader that is gone, is not told: its group may be another’s since', () =>
    assert.deepEqual(family(777, 7770), []));
});

describe('C-10 what an earlier daemon left', { skip }, () => {
  it('is ended with all it started, though its environment is wiped; a stranger with its number is not', async () => {
    const launch = (script: string) =>
      spawn('/usr/bin/env', ['-i', '/bin/sh', '-c', script], {
        detached: true,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    const ours = launch('trap "" TERM; setsid sleep 61 & echo $!; wait');
    const stranger = launch('echo up; exec sleep 62');
    const [said] = await Promise.all(
      [ours, stranger].map(
        (it) =>
          new Promise<string>((resolve) => it.stdout.once('data', (b: Buffer) => resolve(b.toString()))),
      ),
    );
    const grandchild = Number(said);
    const ledger = open();
    ledger.came({ pid: ours.pid ?? 0, startTicks: rowOf(ours.pid ?? 0)?.startTicks ?? 0 }, 'fx');
    ledger.came(
      { pid: stranger.pid ?? 0, startTicks: (rowOf(stranger.pid ?? 0)?.startTicks ?? 0) - 1 },
      'fx',
    );
    await written();
    ledger.close();
    try {
      const ended = await endLeftovers(path, cookie);
      assert.deepEqual(ended.toSorted(), [ours.pid, grandchild].toSorted());
      assert.ok(!isAlive(ours.pid ?? 0) && !isAlive(grandchild) && isAlive(stranger.pid ?? 0));
    } finally {
      stranger.kill('SIGKILL');
    }
    assert.deepEqual(await endLeftovers(join(dir, 'none'), cookie), []);
  });

  it('is what the fleet has written down: children, and what they started, also behind a parent that is gone', async () => {
    const ledger = open();
    const { fleet } = fleetOf({ cookie, ledger });
    try {
      fleet.apply([specOf('leaves-family', { sharing: 'all' })]);
      const told = JSON.parse(await callText(fleet, toolCall('start', { ms: 1_500 }))) as number[];
      const noted = () => readLedger(path, cookie).map(({ pid }) => pid);
      await until(() => told.every((pid) => noted().includes(pid)));
      // The parent of the last one ends; it stays on record.
      await new Promise((resolve) => setTimeout(resolve, 2_800));
      assert.ok(told.every((pid) => noted().includes(pid)));
      await fleet.stop();
      await written();
      assert.deepEqual(noted(), []);
      await until(() => !told.some(isAlive));
    } finally {
      await fleet.stop();
      ledger.close();
    }
  });
});
