import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { checkpointText, readCheckpoint, type Checkpoint } from '../../src/audit/checkpoint.ts';
import { genesis } from '../../src/audit/chain.ts';
import { openKeys, publicKeyPath } from '../../src/audit/journal-keys.ts';
import { until } from '../support/daemon.ts';
import { JournalRig, line, written } from './journal-rig.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const at = { seq: 7, hash: 'b'.repeat(43), file: 2, bytes: 1234 };
const sample: Checkpoint = {
  n: 3,
  time: '2026-01-02T03:04:05.006Z',
  at,
  retired: genesis,
  prev: 'c'.repeat(43),
};

test('a checkpoint is read as it was signed, and anybody with the public key can check it without our code', () => {
  const text = checkpointText(sample, privateKey);
  const read = readCheckpoint(text, publicKey);
  assert.deepEqual([read?.n, read?.at, read?.retired, read?.prev], [3, at, genesis, 'c'.repeat(43)]);
  assert.equal(read?.isSigned(), true);
  const [, signed = '', sig = ''] = /^(.*),"sig":"([\w-]+)"\}$/.exec(text) ?? [];
  const message = Buffer.from(`mcpd journal checkpoint 1\n${signed}`);
  assert.ok(verify(undefined, message, publicKey, Buffer.from(sig, 'base64url')));
});

test('a checkpoint that was changed anywhere is no checkpoint, or is not signed', () => {
  const text = checkpointText(sample, privateKey);
  for (let at = 0; at < text.length; at++) {
    const other = `${text.slice(0, at)}${text[at] === '1' ? '2' : '1'}${text.slice(at + 1)}`;
    const read = readCheckpoint(other, publicKey);
    // The last character of a signature has bits that say nothing.
    if (read !== undefined && at !== text.length - 3) assert.equal(read.isSigned(), false, other);
  }
});

test('keys are made once, for their owner alone, and the public one can be handed on', (t) => {
  const rig = new JournalRig(t);
  const one = openKeys(rig.proof);
  const two = openKeys(rig.proof);
  assert.ok(one.head.equals(two.head));
  assert.ok(one.sign.equals(two.sign));
  assert.equal(statSync(rig.proof.dir).mode & 0o777, 0o700);
  for (const name of ['head-key', 'sign-key.pem'])
    assert.equal(statSync(join(rig.proof.dir, name)).mode & 0o777, 0o600);
  assert.match(readFileSync(publicKeyPath(rig.proof), 'utf8'), /^-----BEGIN PUBLIC KEY-----\n/);
});

for (const [what, spoil] of [
  ['open to others', (path: string) => chmodSync(path, 0o644)],
  ['half a key', (path: string) => writeFileSync(path, 'abc')],
  ['nothing', (path: string) => writeFileSync(path, '')],
  [
    'a link',
    (path: string) => {
      rmSync(path);
      symlinkSync('/dev/null', path);
    },
  ],
] as const)
  for (const name of ['head-key', 'sign-key.pem'])
    test(`a ${name} that is ${what} is refused, and the reason can be typed at`, (t) => {
      const rig = new JournalRig(t);
      openKeys(rig.proof);
      spoil(join(rig.proof.dir, name));
      assert.throws(() => openKeys(rig.proof), {
        code: 'CONFIG_INVALID',
        hint: /chmod|put the key back|cp -p/,
      });
    });

test('checkpoints are made at the start, while the journal grows, when a file is closed, and at the end', async (t) => {
  const rig = new JournalRig(t);
  const scribe = rig.open({ rotateAtBytes: 600 });
  const lines = () =>
    rig.files.flatMap((file) =>
      readOr(join(rig.proof.checkpoints, basename(file).replace('journal', 'checkpoints'))),
    );
  const until = async (count: number) => {
    while (lines().length < count) {
      rig.fire(1000);
      await new Promise(setImmediate);
    }
  };
  await until(1);
  // Nothing new, nothing to sign.
  rig.fire(1000);
  for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate);
  assert.equal(lines().length, 1);
  await scribe.append(line('a'), 'os');
  await until(2);
  for (let n = 0; n < 8; n++) await scribe.append(line('a'), 'os');
  assert.ok(rig.files.length > 1);
  await until(3);
  await scribe.append(line('last'), 'os');
  await scribe.close();
  assert.ok(lines().length >= 4);
  const verdict = await rig.verify();
  assert.equal(verdict.signed?.seq, verdict.last?.seq);
});

function readOr(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
}

test('a folder of checkpoints that fails is told once, calls are made all the same, and it comes back', async (t) => {
  const rig = new JournalRig(t);
  await written(rig, 2);
  rmSync(rig.proof.checkpoints, { recursive: true });
  writeFileSync(rig.proof.checkpoints, 'not a folder');
  const scribe = rig.open();
  for (let n = 0; n < 3; n++) {
    await scribe.append(line('a'), 'disk');
    rig.fire(1000);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(scribe.healthy, true);
  assert.equal(rig.toldOfCheckpoints.length, 1);
  assert.match(rig.toldOfCheckpoints[0]?.detail ?? '', /is not a directory/);
  rmSync(rig.proof.checkpoints);
  await scribe.append(line('a'), 'os');
  await scribe.close();
  assert.equal(rig.toldOfCheckpoints.at(-1), undefined);
  const { findings, warnings } = await rig.verify();
  // Those that were there are gone: it is said, and the ones since then vouch for all.
  assert.deepEqual(findings, []);
  assert.ok(warnings.some(({ kind }) => kind === 'checkpoints'));
  assert.ok(rig.kinds().includes('checkpoints-lost'));
});

test('a whole checkpoint that the disk did not confirm is written once, and the journal is whole', async (t) => {
  const rig = new JournalRig(t);
  const probe = await open(import.meta.filename);
  const files = Object.getPrototypeOf(probe) as { datasync: () => Promise<void> };
  await probe.close();
  const failing = t.mock.method(files, 'datasync', () => Promise.reject(new Error('EIO')));
  const scribe = rig.open();
  await scribe.append(line('a'), 'os');
  rig.fire(1000);
  await until('a checkpoint that failed', () => rig.toldOfCheckpoints.length > 0);
  assert.ok(failing.mock.callCount() > 0);
  failing.mock.restore();
  await scribe.append(line('a'), 'os');
  await scribe.close();
  assert.equal(rig.toldOfCheckpoints.at(-1), undefined);
  const { findings } = await rig.verify();
  assert.deepEqual(findings, []);
});

test('nor is it left where it stands, when the next one belongs into another file', async (t) => {
  const rig = new JournalRig(t);
  await written(rig, 2, 600);
  const probe = await open(import.meta.filename);
  const files = Object.getPrototypeOf(probe) as { datasync: () => Promise<void> };
  await probe.close();
  const scribe = rig.open({ rotateAtBytes: 600 });
  await scribe.append(line('a'), 'os');
  const failing = t.mock.method(files, 'datasync', () => Promise.reject(new Error('EIO')));
  rig.fire(1000);
  await until('a checkpoint that failed', () => rig.toldOfCheckpoints.length > 0);
  const { length } = rig.files;
  while (rig.files.length === length) await scribe.append(line('a'), 'os');
  failing.mock.restore();
  await scribe.close();
  assert.equal(rig.toldOfCheckpoints.at(-1), undefined);
  assert.deepEqual((await rig.verify()).findings, []);
});

for (const [what, away, back] of [
  [
    'could not be read',
    ({ proof }: JournalRig) => chmodSync(proof.checkpoints, 0o775),
    ({ proof }: JournalRig) => chmodSync(proof.checkpoints, 0o700),
  ],
  [
    'was not mounted yet',
    ({ proof, dir }: JournalRig) => renameSync(proof.checkpoints, join(dir, 'aside')),
    ({ proof, dir }: JournalRig) => {
      rmSync(proof.checkpoints, { recursive: true, force: true });
      renameSync(join(dir, 'aside'), proof.checkpoints);
    },
  ],
] as const)
  test(`a folder of checkpoints that ${what} at the start is gone on with when it is there`, async (t) => {
    const rig = new JournalRig(t);
    await written(rig, 2);
    away(rig);
    const scribe = rig.open();
    assert.equal(scribe.healthy, true);
    back(rig);
    await scribe.append(line('a'), 'os');
    rig.fire(1000);
    await scribe.close();
    const { findings, signed, last } = await rig.verify();
    assert.deepEqual(findings, []);
    assert.equal(signed?.seq, last?.seq);
  });

test('a folder of checkpoints that is mounted while mcpd runs keeps what is in it', async (t) => {
  const rig = new JournalRig(t);
  await written(rig, 2);
  const aside = join(rig.dir, 'aside');
  renameSync(rig.proof.checkpoints, aside);
  const scribe = rig.open();
  await scribe.append(line('a'), 'os');
  rig.fire(1000);
  await until('a checkpoint beneath', () => readdirSync(rig.proof.checkpoints).length > 0);
  await scribe.flush('disk');
  const before = readFileSync(join(aside, 'checkpoints-000001.jsonl'), 'utf8');
  rmSync(rig.proof.checkpoints, { recursive: true });
  renameSync(aside, rig.proof.checkpoints);
  await scribe.append(line('a'), 'os');
  await scribe.close();
  const file = join(rig.proof.checkpoints, 'checkpoints-000001.jsonl');
  assert.ok(readFileSync(file, 'utf8').startsWith(before));
  const { findings, signed, last } = await rig.verify();
  assert.deepEqual(findings, []);
  assert.equal(signed?.seq, last?.seq);
});

test('half a checkpoint that a crash left is cut off', async (t) => {
  const rig = new JournalRig(t);
  await written(rig, 2, 1_000_000);
  const file = join(rig.proof.checkpoints, 'checkpoints-000001.jsonl');
  appendFileSync(file, '{"n":2,"time');
  assert.deepEqual((await rig.verify()).findings, []);
  await written(rig, 2, 1_000_000);
  for (const text of readFileSync(file, 'utf8').split('\n').slice(0, -1)) JSON.parse(text);
  assert.deepEqual((await rig.verify()).findings, []);
});
