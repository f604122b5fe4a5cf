import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { VaultKeySource } from '../../src/domain/secret-reference.ts';
import { Vault, type VaultParts } from '../../src/secrets/vault.ts';
import { file, scratch } from './scratch.ts';

const at = Date.parse('2027-01-15T08:00:00Z');
const keySource = (dir: string): VaultKeySource => ({ kind: 'file', path: join(dir, 'config', 'vault.key') });

function vaultIn(dir: string, more: Partial<VaultParts> = {}): Vault {
  return new Vault({
    path: join(dir, 'vault.json'),
    source: keySource(dir),
    env: {},
    passphrase: undefined,
    wallMs: () => at,
    ...more,
  });
}

/** A vault with two secrets in a folder of its own. */
async function filled(t: TestContext): Promise<{ dir: string; vault: Vault; path: string }> {
  const dir = scratch(t);
  const vault = vaultIn(dir);
  await vault.set('github/token', 'hunter2-one');
  await vault.set('other', 'hunter2-two "ü"\n');
  return { dir, vault, path: join(dir, 'vault.json') };
}

function refusedWith(code: string, detail: RegExp, hint = /./) {
  return (reason: unknown): true => {
    assert.ok(reason instanceof Fault);
    assert.equal(reason.code, code);
    assert.match(String(reason.detail), detail);
    assert.match(reason.hint ?? '', hint);
    assert.doesNotMatch(`${reason.detail ?? ''} ${reason.hint ?? ''}`, /hunter2/);
    return true;
  };
}

test('a vault keeps, gives back, replaces and forgets', async (t) => {
  const dir = scratch(t);
  const vault = vaultIn(dir);
  assert.equal(await vault.check(), undefined);
  assert.deepEqual(await vault.names(), []);
  assert.deepEqual(await vault.get(['a']), new Map());
  assert.equal(await vault.set('a', 'hunter2'), 'stored');
  assert.equal(await vault.set('b', 'x'.repeat(65_536)), 'stored');
  assert.equal(await vault.set('a', 'second'), 'replaced');
  // Another process, which knows nothing but the files.
  const other = vaultIn(dir);
  assert.deepEqual(
    await other.get(['a', 'b', 'c']),
    new Map([
      ['a', 'second'],
      ['b', 'x'.repeat(65_536)],
    ]),
  );
  assert.deepEqual(
    (await other.names()).toSorted((x, y) => (x.name < y.name ? -1 : 1)),
    [
      { name: 'a', setAt: '2027-01-15T08:00:00.000Z' },
      { name: 'b', setAt: '2027-01-15T08:00:00.000Z' },
    ],
  );
  assert.equal(await other.remove('a'), 'removed');
  assert.equal(await other.remove('a'), 'absent');
  assert.equal(await vault.check(), 1);
});

test('nothing on disk holds a value, and every file is its owner’s alone', async (t) => {
  const { dir, path } = await filled(t);
  const text = readFileSync(path, 'utf8');
  for (const form of [
    'hunter2',
    Buffer.from('hunter2').toString('base64').slice(0, 8),
    Buffer.from('hunter2').toString('hex'),
  ])
    assert.ok(!text.includes(form), form);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(dir, 'config', 'vault.key')).mode & 0o777, 0o600);
  assert.equal(statSync(join(dir, 'config')).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(dir).sort(), ['config', 'vault.json']);
});

test('the same value set twice is not the same on disk', async (t) => {
  const dir = scratch(t);
  const vault = vaultIn(dir);
  const sealed = async () => {
    await vault.set('a', 'hunter2');
    return (JSON.parse(readFileSync(join(dir, 'vault.json'), 'utf8')) as { entries: { sealed: string }[] })
      .entries[0]?.sealed;
  };
  assert.notEqual(await sealed(), await sealed());
});

test('a copy of the state opens nothing without the key, and nothing new is made in its place', async (t) => {
  const { dir, vault } = await filled(t);
  renameSync(join(dir, 'config', 'vault.key'), join(dir, 'away'));
  await assert.rejects(
    vault.get(['other']),
    refusedWith('SECRET_UNAVAILABLE', /key of the vault is missing/, /backup/),
  );
  await assert.rejects(
    vault.set('other', 'hunter2'),
    refusedWith('SECRET_UNAVAILABLE', /key of the vault is missing/),
  );
  assert.deepEqual(readdirSync(join(dir, 'config')), []);
  renameSync(join(dir, 'away'), join(dir, 'config', 'vault.key'));
  assert.equal(await vault.check(), 2);
});

test('of commands at once that make the key, one does, and every vault is opened by what is there', async (t) => {
  const dir = scratch(t);
  const others = [1, 2, 3, 4].map((n) => {
    mkdirSync(join(dir, `state-${n}`), { mode: 0o700 });
    return vaultIn(dir, { path: join(dir, `state-${n}`, 'vault.json') });
  });
  const ends = await Promise.allSettled(others.map((vault) => vault.set('a', 'hunter2')));
  const made = others.filter((_, n) => ends[n]?.status === 'fulfilled');
  assert.ok(made.length > 0);
  for (const vault of made) assert.equal(await vault.check(), 1);
  assert.deepEqual(readdirSync(join(dir, 'config')), ['vault.key']);
});

test('a key that a command was killed over as it named it is finished, and another one’s second name is refused', async (t) => {
  const { dir, vault } = await filled(t);
  const key = join(dir, 'config', 'vault.key');
  linkSync(key, `${key}.0b1c.new`);
  assert.equal(await vault.check(), 2);
  assert.deepEqual(readdirSync(join(dir, 'config')), ['vault.key']);
  linkSync(key, join(dir, 'theirs'));
  await assert.rejects(vault.check(), refusedWith('CONFIG_INVALID', /second name/));
});

test('another key does not open it', async (t) => {
  const { dir, vault } = await filled(t);
  file(join(dir, 'config', 'vault.key'), 'ab'.repeat(32));
  await assert.rejects(vault.get(['other']), refusedWith('SECRET_UNAVAILABLE', /is not opened by this key/));
  await assert.rejects(
    vault.set('x', 'hunter2'),
    refusedWith('SECRET_UNAVAILABLE', /is not opened by this key/),
  );
});

test('no byte of it can be changed unnoticed', async (t) => {
  const { path, vault } = await filled(t);
  const good = readFileSync(path);
  assert.equal(await vault.check(), 2);
  const unnoticed: number[] = [];
  for (let place = 0; place < good.length; place++) {
    const bad = Buffer.from(good);
    // Within JSON and within base64 alike it stays a character that could stand there.
    const was = bad[place] ?? 0;
    bad[place] = was === 0x41 ? 0x42 : 0x41;
    writeFileSync(path, bad);
    const outcome = await vaultIn(join(path, '..'))
      .check()
      .catch((reason: unknown) => Fault.from(reason).code);
    if (outcome !== 'CONFIG_INVALID' && outcome !== 'SECRET_UNAVAILABLE') unnoticed.push(place);
  }
  // The last character before the padding of base64 may say the same bytes in other letters; nothing else may.
  const text = good.toString('utf8');
  const other = unnoticed.filter((place) => text[place + 1] !== '=' && text[place] !== ' ');
  assert.deepEqual(
    other.map((place) => text.slice(Math.max(0, place - 20), place + 5)),
    [],
  );
});

test('an entry cannot be left out, put back, renamed, copied or brought from another vault', async (t) => {
  type Entry = { name: string; version: number; setAt: string; sealed: string };
  type Whole = { serial: number; id: string; key: { sealed: string }; entries: Entry[]; mac: string };
  const { path, vault, dir } = await filled(t);
  const read = () => JSON.parse(readFileSync(path, 'utf8')) as Whole;
  const before = read();
  await vault.set('other', 'hunter2-three');
  const good = read();
  const foreign = await filled(t);
  const alien = JSON.parse(readFileSync(foreign.path, 'utf8')) as Whole;
  const [first, second] = good.entries;
  assert.ok(first !== undefined && second !== undefined);
  const cases: readonly (readonly [string, Whole])[] = [
    ['left out', { ...good, entries: [first] }],
    ['all left out', { ...good, entries: [] }],
    ['put back', { ...good, entries: [first, before.entries[1] as Entry] }],
    ['put back with its serial', { ...good, serial: before.serial, entries: before.entries }],
    ['renamed', { ...good, entries: [{ ...first, name: 'third' }, second] }],
    [
      'swapped',
      {
        ...good,
        entries: [
          { ...first, sealed: second.sealed },
          { ...second, sealed: first.sealed },
        ],
      },
    ],
    ['another date', { ...good, entries: [{ ...first, setAt: '2030-01-01T00:00:00.000Z' }, second] }],
    ['brought', { ...good, entries: [alien.entries[0] as Entry, second] }],
    ['in another order', { ...good, entries: [second, first] }],
    ['another code', { ...good, mac: alien.mac }],
    ['twice', { ...good, entries: [first, first, second] }],
    ['another vault whole', alien],
  ];
  for (const [what, bad] of cases) {
    writeFileSync(path, JSON.stringify(bad));
    for (const look of [() => vaultIn(dir).get(['other']), () => vaultIn(dir).set('new', 'hunter2')])
      await assert.rejects(
        look(),
        (reason: unknown) => reason instanceof Fault && reason.code !== 'BUG',
        what,
      );
  }
  // How it is written does not count.
  writeFileSync(path, JSON.stringify(good));
  assert.equal(await vaultIn(dir).check(), 2);
});

test('a command that stood still until another took its lock writes nothing over what that one stored', async (t) => {
  const dir = scratch(t);
  const source = { kind: 'passphrase' } as const;
  const open = (more: Partial<VaultParts> = {}) =>
    vaultIn(dir, { source, passphrase: async () => 'correct horse battery', ...more });
  const path = join(dir, 'vault.json');
  await open().set('first', 'hunter2');
  // As though it was suspended for longer than a lock is believed.
  const taken = () => writeFileSync(`${path}.lock`, '1 another command');
  const before = readFileSync(path, 'utf8');
  const setting = open({ wallMs: () => (taken(), at) }).set('late', 'hunter2');
  await assert.rejects(setting, refusedWith('CONFIG_INVALID', /was taken by another command/, /again/));
  assert.equal(readFileSync(path, 'utf8'), before);
  assert.equal(
    readFileSync(`${path}.lock`, 'utf8'),
    '1 another command',
    'and the lock is left to its holder',
  );
  rmSync(`${path}.lock`);

  const removing = open().remove('first');
  // It holds the lock while it makes its key.
  while (!existsSync(`${path}.lock`)) await new Promise(setImmediate);
  taken();
  await assert.rejects(removing, refusedWith('CONFIG_INVALID', /was taken by another command/));
  assert.equal(readFileSync(path, 'utf8'), before);
});

test('a damaged file is never an empty one', async (t) => {
  const { dir, path } = await filled(t);
  for (const text of ['', '{}', 'null', '[]', '{"version":1}', readFileSync(path, 'utf8').slice(0, 200)]) {
    writeFileSync(path, text);
    const looks = [
      () => vaultIn(dir).names(),
      () => vaultIn(dir).get(['other']),
      () => vaultIn(dir).set('a', 'hunter2'),
      () => vaultIn(dir).remove('a'),
    ];
    for (const look of looks)
      await assert.rejects(look(), refusedWith('CONFIG_INVALID', /is damaged/, /backup; or start over: mv /));
    assert.equal(readFileSync(path, 'utf8'), text);
  }
});

test('a vault or a key that others can open, a link and a folder are refused, with what to type', async (t) => {
  const { dir, path } = await filled(t);
  const key = join(dir, 'config', 'vault.key');
  for (const target of [path, key]) {
    chmodSync(target, 0o640);
    await assert.rejects(
      vaultIn(dir).check(),
      refusedWith('CONFIG_INVALID', /can be opened by other users/, /^chmod 600 /),
    );
    chmodSync(target, 0o600);
    renameSync(target, join(dir, 'aside'));
    symlinkSync(join(dir, 'aside'), target);
    await assert.rejects(vaultIn(dir).check(), refusedWith('CONFIG_INVALID', /is a symbolic link/));
    renameSync(join(dir, 'aside'), target);
  }
  assert.equal(await vaultIn(dir).check(), 2);
  renameSync(path, join(dir, 'aside'));
  mkdirSync(path);
  await assert.rejects(vaultIn(dir).check(), refusedWith('CONFIG_INVALID', /is not a plain file/));
});

test('a key is not made where others may put files', async (t) => {
  const dir = scratch(t);
  mkdirSync(join(dir, 'config'));
  chmodSync(join(dir, 'config'), 0o777);
  await assert.rejects(
    vaultIn(dir).set('a', 'hunter2'),
    refusedWith('SECRET_UNAVAILABLE', /others may put files/, /chmod 700/),
  );
  assert.deepEqual(readdirSync(dir), ['config']);
});

test('a passphrase opens it, and another one does not', async (t) => {
  const dir = scratch(t);
  const asked: boolean[] = [];
  const withPhrase = (phrase: string) =>
    vaultIn(dir, {
      source: { kind: 'passphrase' },
      passphrase: (isNew) => {
        asked.push(isNew);
        return Promise.resolve(phrase);
      },
    });
  await withPhrase('correct horse battery').set('a', 'hunter2');
  assert.deepEqual(await withPhrase('correct horse battery').get(['a']), new Map([['a', 'hunter2']]));
  await assert.rejects(
    withPhrase('wrong horse battery').get(['a']),
    refusedWith('SECRET_UNAVAILABLE', /is not opened by this key/),
  );
  await assert.rejects(
    withPhrase('short').get(['a']),
    refusedWith('SECRET_UNAVAILABLE', /too short/, /at least 12/),
  );
  assert.deepEqual(asked, [true, false, false, false]);
  await assert.rejects(
    vaultIn(dir, { source: { kind: 'passphrase' } }).get(['a']),
    refusedWith('SECRET_UNAVAILABLE', /nobody is at a terminal/, /"file:PATH" or "systemd:NAME"/),
  );
  // The same words in a file that is the key.
  file(join(dir, 'phrase'), 'correct horse battery\n');
  const fromFile = vaultIn(dir, { source: { kind: 'file', path: join(dir, 'phrase') } });
  assert.deepEqual(await fromFile.get(['a']), new Map([['a', 'hunter2']]));
});

test('a credential of systemd opens it', async (t) => {
  const dir = scratch(t);
  const folder = join(dir, 'credentials');
  mkdirSync(folder, { mode: 0o700 });
  file(join(folder, 'vault'), `${'0f'.repeat(32)}\n`, 0o400);
  const vault = vaultIn(dir, {
    source: { kind: 'systemd', name: 'vault' },
    env: { CREDENTIALS_DIRECTORY: folder },
  });
  await vault.set('a', 'hunter2');
  assert.equal(await vault.check(), 1);
  const without = vaultIn(dir, { source: { kind: 'systemd', name: 'vault' } });
  await assert.rejects(
    without.check(),
    refusedWith('SECRET_UNAVAILABLE', /CREDENTIALS_DIRECTORY is not set/),
  );
});

const setter = join(import.meta.dirname, 'set-in-vault.ts');
const setIn = (dir: string, ...args: string[]) =>
  spawn(process.execPath, [setter, dir, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
const ended = (child: ReturnType<typeof setIn>) =>
  new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));

test('commands at once make one vault and lose nothing', async (t) => {
  const dir = scratch(t);
  mkdirSync(join(dir, 'config'), { mode: 0o700 });
  const children = ['a', 'b', 'c', 'd'].map((name) => setIn(dir, name, '5'));
  assert.deepEqual(await Promise.all(children.map(ended)), [0, 0, 0, 0]);
  assert.equal(await vaultIn(dir).check(), 20);
  assert.deepEqual(readdirSync(dir).sort(), ['config', 'vault.json']);
});

test('a command that is killed while it writes leaves the vault as it was or as it should be', async (t) => {
  const { dir } = await filled(t);
  for (let round = 0; round < 6; round++) {
    const child = setIn(dir, `r${round}`, '100000');
    // The first value is stored; somewhere within the next ones it ends.
    await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
    child.kill('SIGKILL');
    await ended(child);
    assert.ok(((await vaultIn(dir).check()) ?? 0) >= 3 + round);
    // Its lock is nobody's any more.
    assert.equal(await vaultIn(dir).set('other', `after ${round}`), 'replaced');
  }
});
