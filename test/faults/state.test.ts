/**
 * Files of the state directory are damaged, gone, somebody else's, or of another version. mcpd does not start and says which
 * file and what to type, or it starts with everything still switched off; it never starts with "nothing is disabled".
 *
 * The files are those that a daemon leaves behind when it is killed, whatever they are called.
 */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestDaemon, until } from '../support/daemon.ts';
import { figure, isWhole } from '../support/faults.ts';
import { History, operate, recorded } from './support/history.ts';
import { boot, tryBoot } from './support/launch.ts';
import { verified } from './support/verified.ts';

type Damage = { readonly name: string; readonly do: (path: string) => void; readonly quick: boolean };

const damages: readonly Damage[] = [
  {
    name: 'filled with zeros',
    quick: true,
    do: (path) => writeFileSync(path, Buffer.alloc(statSync(path).size)),
  },
  { name: 'cut in half', quick: true, do: (path) => truncateSync(path, Math.floor(statSync(path).size / 2)) },
  { name: 'gone', quick: true, do: (path) => rmSync(path) },
  { name: 'empty', quick: false, do: (path) => truncateSync(path, 0) },
  {
    name: 'one byte short',
    quick: false,
    do: (path) => truncateSync(path, Math.max(0, statSync(path).size - 1)),
  },
  { name: 'of other bytes', quick: false, do: (path) => writeFileSync(path, 'not what mcpd wrote\n') },
  {
    name: 'with one bit turned',
    quick: false,
    do: (path) => {
      const bytes = readFileSync(path);
      const at = Math.floor(bytes.length / 2);
      if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(path, bytes);
    },
  },
  { name: 'open to everybody', quick: false, do: (path) => chmodSync(path, 0o666) },
  { name: 'of another user', quick: false, do: (path) => chownSync(path, 65534, 65534) },
  {
    name: 'a link to a good copy',
    quick: false,
    do: (path) => {
      renameSync(path, `${path}.good`);
      symlinkSync(`${path}.good`, path);
    },
  },
  {
    name: 'a folder',
    quick: false,
    do: (path) => {
      rmSync(path);
      mkdirSync(path);
    },
  },
];

/** What remembers the kill switch, in the formats there have been. */
const ofSwitches = /^(?:switches|state\.db|state-was-kept)/;

describe('C-27 state that cannot be believed', { timeout: 3_600_000 }, () => {
  let daemon: TestDaemon;
  let good: string;
  let files: string[];
  before(async () => {
    daemon = await TestDaemon.start({ servers: { fx: recorded }, canaries: false });
    const history = new History(daemon);
    await history.call(await daemon.session('fx'));
    assert.equal((await operate(daemon, 'disable-tool', { tool: 'fx/list_dir' })).ok, true);
    assert.equal((await operate(daemon, 'disable-server', { server: 'gone' })).ok, true);
    // As a crash leaves it: with whatever is written beside a file and not yet in it.
    await daemon.end('SIGKILL');
    good = join(daemon.dir, 'good');
    cpSync(daemon.state, good, {
      recursive: true,
      preserveTimestamps: true,
      filter: (path) => !isSocket(path),
    });
    files = readdirSync(good).filter((name) => statSync(join(good, name)).isFile());
  });
  after(async () => daemon[Symbol.asyncDispose]());

  function restore(): void {
    rmSync(daemon.state, { recursive: true, force: true });
    cpSync(good, daemon.state, { recursive: true, preserveTimestamps: true });
    chmodSync(daemon.state, 0o700);
  }

  /** Starts on what lies there now. Throws when it forgot what is switched off. */
  async function judge(what: string, file: string): Promise<'refused' | 'remembers'> {
    const { launched, ready } = await tryBoot(daemon);
    if (!ready) {
      assert.equal(launched.end?.code, 78, `${what}: ${daemon.output}`);
      assert.ok(
        daemon.output.includes(file.replace(/-(?:wal|shm)$/, '')),
        `${what}: which file?\n${daemon.output}`,
      );
      return 'refused';
    }
    const status = (await operate(daemon, 'status')) as unknown as {
      switches: { tools: { name: string }[]; servers: { name: string }[] };
    };
    const off = [...status.switches.tools, ...status.switches.servers].map(({ name }) => name);
    await daemon.end('SIGKILL');
    assert.deepEqual(off, ['fx/list_dir', 'gone'], `${what}: it started, and what was switched off is on`);
    return 'remembers';
  }

  it('C-27 undamaged, it remembers (or the rest of this file says nothing)', async () => {
    restore();
    assert.equal(await judge('undamaged', ''), 'remembers');
    assert.ok(
      files.some((file) => ofSwitches.test(file)),
      files.join(' '),
    );
  });

  for (const damage of damages.filter(({ quick }) => quick || isWhole))
    it(
      `C-27 a file that is ${damage.name}: refused, or everything stays off`,
      { timeout: 600_000 },
      async (t) => {
        const wrong: string[] = [];
        const seen = { refused: 0, remembers: 0 };
        for (const file of files.filter((it) => isWhole || ofSwitches.test(it))) {
          restore();
          damage.do(join(daemon.state, file));
          try {
            seen[await judge(`${file} ${damage.name}`, file)]++;
          } catch (reason) {
            wrong.push(String(reason));
            await daemon.end('SIGKILL');
          }
        }
        t.diagnostic(`${seen.refused} refused, ${seen.remembers} remembered: ${files.join(' ')}`);
        figure('C-27', damage.name, `${seen.refused} refused, ${seen.remembers} remembered`);
        assert.deepEqual(wrong, []);
      },
    );

  it('C-27 all files of the switches gone at once, the mark as well, while the journal knows better', async () => {
    restore();
    for (const file of files.filter((it) => ofSwitches.test(it) && !/were-kept|was-kept/.test(it)))
      rmSync(join(daemon.state, file));
    assert.equal(await judge('the switches are gone', 'state'), 'refused');
  });

  it('C-27 what a newer mcpd wrote is refused, with its name', async () => {
    const makeNewer: Record<string, (path: string) => void> = {
      json: (path) => {
        const text = readFileSync(path, 'utf8');
        writeFileSync(path, text.replace(/"version":\s*\d+/, '"version": 999'));
      },
      db: (path) => {
        const file = new DatabaseSync(path);
        file.exec('PRAGMA user_version = 999');
        file.close();
      },
    };
    let tried = 0;
    for (const file of files.filter((it) =>
      /^(?:switches\.json|grants\.json|pins\.json|keys\.json|state\.db)$/.test(it),
    )) {
      restore();
      makeNewer[file.endsWith('.db') ? 'db' : 'json']?.(join(daemon.state, file));
      assert.equal(await judge(`${file} of a newer mcpd`, file), 'refused', file);
      tried++;
    }
    assert.ok(tried >= 2);
  });

  it('C-27 a state folder that others may write to, or that is somebody else’s, is not used', async () => {
    for (const [what, spoil] of [
      ['writable', () => chmodSync(daemon.state, 0o777)],
      ['of another user', () => chownSync(daemon.state, 65534, 65534)],
    ] as const) {
      if (what === 'of another user' && process.getuid?.() !== 0) continue;
      restore();
      spoil();
      assert.equal(await judge(what, daemon.state), 'refused');
    }
    restore();
    chownSync(daemon.state, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
    await boot(daemon);
    await until('it runs on the good copy', async () => (await operate(daemon, 'status')).ok);
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'on the good copy');
  });
});

function isSocket(path: string): boolean {
  return statSync(path).isSocket();
}
