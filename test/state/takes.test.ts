import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Takes, type TakesPlace } from '../../src/state/takes.ts';

describe('the file of takes', () => {
  let dir: string;
  let path: string;
  const open: Takes[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'mcpd-takes-'));
    path = join(dir, 'takes');
  });
  afterEach(() => {
    for (const it of open.splice(0)) it.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const take = (key: string, amount = 1) => ({ key, keepMs: 60_000, amount });
  /** Opened, taken over and ready, as a limiter leaves it. */
  function ready(more: Omit<TakesPlace, 'path'> = {}): { it: Takes; left: string[] } {
    const it = Takes.open({ path, ...more });
    open.push(it);
    const kept = [...it.load()];
    it.rewrite(kept);
    return { it, left: kept.map(({ key, at, amount }) => `${key}@${at}:${amount}`) };
  }

  it('gives back after a restart what was added, in order', () => {
    const { it, left } = ready();
    assert.deepEqual(left, []);
    it.add(1, [take('a'), take('b', 7)]);
    it.add(2, [take('a')]);
    it.close();
    assert.deepEqual(ready().left, ['a@1:1', 'b@1:7', 'a@2:1']);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it('has every take that was flushed when the process is killed, without a word of farewell', () => {
    const program = `
      import { Takes } from ${JSON.stringify(join(import.meta.dirname, '..', '..', 'src', 'state', 'takes.ts'))};
      const it = Takes.open({ path: ${JSON.stringify(path)} });
      it.rewrite(it.load());
      for (let at = 1; at <= 1000; at++) it.add(at, [{ key: 'a', keepMs: 60000, amount: 1 }]);
      it.flush();
      process.kill(process.pid, 'SIGKILL');
    `;
    const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    assert.equal(signal, 'SIGKILL', stderr);
    assert.equal(ready().left.length, 1000);
  });

  it('leaves out a last line that was cut off, and goes on after it', () => {
    const { it } = ready();
    it.add(1, [take('a')]);
    it.close();
    appendFileSync(path, 't 2 1');
    const again = ready();
    assert.deepEqual(again.left, ['a@1:1']);
    again.it.add(3, [take('a')]);
    again.it.close();
    assert.deepEqual(ready().left, ['a@1:1', 'a@3:1']);
  });

  it('is not believed when it is damaged, and stays as it is for a person to look at', () => {
    const { it } = ready();
    it.add(1, [take('a')]);
    it.close();
    const before = readFileSync(path, 'utf8').replace('t 1', 't x') + 't 2 1:1\n';
    writeFileSync(path, before);
    const second = Takes.open({ path });
    assert.throws(() => [...second.load()], {
      code: 'CONFIG_INVALID',
      detail: /is damaged in line 3/,
      hint: /^mv /,
    });
    assert.equal(readFileSync(path, 'utf8'), before);
    truncateSync(path, 0);
    assert.throws(() => [...Takes.open({ path }).load()], { code: 'CONFIG_INVALID' });
  });

  const refused: readonly (readonly [string, () => void, RegExp])[] = [
    [
      'a symbolic link',
      () => {
        writeFileSync(join(dir, 'other'), '', { mode: 0o600 });
        symlinkSync(join(dir, 'other'), path);
      },
      /symbolic link/,
    ],
    ['a link that leads nowhere', () => symlinkSync(join(dir, 'nowhere'), path), /symbolic link/],
    [
      'a second name of another file',
      () => {
        writeFileSync(join(dir, 'other'), '', { mode: 0o600 });
        linkSync(join(dir, 'other'), path);
      },
      /hard link/,
    ],
    ['a folder', () => mkdirSync(path), /not a plain file/],
    [
      'a file that others can write',
      () => {
        writeFileSync(path, 'mcpd takes 1\n');
        chmodSync(path, 0o666);
      },
      /can be opened by other users/,
    ],
  ];
  for (const [what, prepare, detail] of refused) {
    it(`refuses ${what}`, () => {
      prepare();
      assert.throws(() => Takes.open({ path }), { code: 'CONFIG_INVALID', detail });
    });
  }

  it('refuses a file that is too large to be its own', () => {
    writeFileSync(path, 'x'.repeat(101), { mode: 0o600 });
    assert.throws(() => Takes.open({ path, bytesMax: 100 }), {
      code: 'CONFIG_INVALID',
      detail: /larger than 100/,
    });
  });

  it('does not write through a link that somebody left beside it', () => {
    const victim = join(dir, 'victim');
    writeFileSync(victim, 'precious');
    symlinkSync(victim, `${path}.new`);
    ready().it.add(1, [take('a')]);
    assert.equal(readFileSync(victim, 'utf8'), 'precious');
  });

  it('says so when the disk is full, writes all or nothing, and makes up for it when there is room', () => {
    let room = 5;
    let full = false;
    const { it } = ready({
      // First a part is written, then nothing more.
      writeSome: (fd, bytes, offset) => {
        if (!full) return writeSync(fd, bytes, offset);
        if (room === 0) throw new Error('ENOSPC');
        const wrote = writeSync(fd, bytes, offset, Math.min(room, bytes.length - offset));
        room -= wrote;
        return wrote;
      },
    });
    it.add(1, [take('a')]);
    it.flush();
    full = true;
    it.add(2, [take('b')]);
    for (let tries = 0; tries < 3; tries++)
      assert.throws(() => it.flush(), { code: 'AUDIT_UNAVAILABLE', detail: /ENOSPC/ });
    full = false;
    it.add(3, [take('b')]);
    it.add(4, [take('a')]);
    it.close();
    // What could not be written was refused, and counts all the same: a limit is never refilled by a full disk.
    assert.deepEqual(ready().left, ['a@1:1', 'b@2:1', 'b@3:1', 'a@4:1']);
  });

  it('is written at the end of the turn of whoever waits for nothing', async () => {
    const { it } = ready();
    it.add(1, [take('a')]);
    await new Promise((resolve) => setImmediate(resolve));
    assert.match(readFileSync(path, 'utf8'), /^t 1 /m);
  });

  it('never grows beyond its bound: rather it takes nothing more', () => {
    const { it } = ready({ bytesMax: 200 });
    assert.throws(
      () => {
        for (let at = 0; at < 100; at++) {
          it.add(at, [take('a')]);
          it.flush();
        }
      },
      { code: 'AUDIT_UNAVAILABLE', detail: /larger than 200/ },
    );
    assert.ok(statSync(path).size <= 200);
  });

  it('is overgrown before it reaches its bound, however large it was when it was written anew', () => {
    let full = false;
    const { it } = ready({
      bytesMax: 20_000,
      overgrownAtBytes: 6_000,
      writeSome: (fd, bytes, offset) => {
        if (full) throw new Error('ENOSPC');
        return writeSync(fd, bytes, offset);
      },
    });
    const grow = () => {
      for (let at = 0; !it.isOvergrown(); at++) {
        it.add(at, [take('a')]);
        it.flush();
      }
    };
    it.rewrite(Array.from({ length: 500 }, (_, at) => ({ ...take('a'), at })));
    grow();
    // Each try that fails comes sooner than the one before it, and there is always one more.
    for (let tries = 0; tries < 5; tries++) {
      full = true;
      assert.throws(() => it.rewrite([]), { code: 'AUDIT_UNAVAILABLE' });
      full = false;
      grow();
    }
    it.rewrite([{ ...take('a', 9), at: 40 }]);
    assert.ok(!it.isOvergrown());
  });

  it('is overgrown when it has grown, and small again when it is written anew', () => {
    const { it } = ready({ overgrownAtBytes: 500 });
    for (let at = 0; !it.isOvergrown(); at++) it.add(at, [take('a')]);
    it.flush();
    assert.ok(statSync(path).size > 500);
    it.rewrite([{ ...take('a', 9), at: 40 }]);
    assert.ok(!it.isOvergrown());
    assert.ok(statSync(path).size < 100);
    it.add(50, [take('a')]);
    it.close();
    assert.deepEqual(ready().left, ['a@40:9', 'a@50:1']);
  });

  it('keeps the old file when it cannot be written anew', () => {
    let broken = false;
    const { it } = ready({
      writeSome: (fd, bytes, offset) => {
        if (broken) throw new Error('ENOSPC');
        return writeSync(fd, bytes, offset);
      },
    });
    it.add(1, [take('a')]);
    broken = true;
    assert.throws(() => it.rewrite([]), { code: 'AUDIT_UNAVAILABLE' });
    broken = false;
    it.add(2, [take('a')]);
    it.close();
    assert.deepEqual(ready().left, ['a@1:1', 'a@2:1']);
  });

  it('takes nothing before it was taken over, and nothing after it was closed', () => {
    const fresh = Takes.open({ path });
    assert.throws(() => fresh.add(1, [take('a')]), { code: 'AUDIT_UNAVAILABLE' });
    const { it } = ready();
    it.close();
    it.close();
    assert.throws(() => it.add(1, [take('a')]), { code: 'AUDIT_UNAVAILABLE' });
  });
});
