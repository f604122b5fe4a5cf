import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { carryOut, commands, roleFor } from '../../src/operate/commands.ts';
import { Knocks } from '../../src/operate/knocks.ts';
import { addOperator, listOperators, personOf, revokeOperator } from '../../src/operate/operator-file.ts';
import { mayDo, recognise, roles, votesAs, type Proofs, type Role } from '../../src/operate/operators.ts';
import { FakePlane, visitor } from './plane.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-operators-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const path = () => join(dir, 'operators.json');
const now = Date.parse('2026-11-21T12:00:00Z');
const held = () => undefined;
const add = (name: string, role: Role = 'approver', expiresAtMs?: number) =>
  addOperator(dir, { name, role, expiresAtMs }, now, held);
const refused = (pattern: RegExp) => (reason: unknown) => {
  assert.ok(reason instanceof Fault);
  assert.equal(reason.code, 'CONFIG_INVALID');
  assert.match(`${reason.detail ?? ''} ${reason.hint ?? ''}`, pattern);
  return true;
};

describe('who presents a token', () => {
  const proofs: Proofs = {
    isOfThisStart: (token) => token === 'start',
    personOf: (token) => (token === 'anas' ? { name: 'ana', role: 'approver' } : undefined),
    ownUid: 1000,
    userName: (uid) => `user${uid}`,
  };
  const seen = (token: string | undefined, uid: number | undefined, claimed = 'bob') => {
    const who = recognise({ token, claimed, uid }, proofs);
    return who.kind === 'stranger'
      ? 'stranger'
      : `${who.operator.name} ${who.operator.as} ${who.operator.role}`;
  };
  for (const [token, uid, expected] of [
    [undefined, undefined, 'stranger'],
    [undefined, 1000, 'stranger'],
    ['', 1000, 'stranger'],
    ['start ', 1000, 'stranger'],
    ['Start', 0, 'stranger'],
    ['start', undefined, 'bob claimed operator'],
    ['start', 1000, 'user1000 user operator'],
    ['start', 0, 'user0 user operator'],
    ['start', 1001, 'stranger'],
    ['anas', undefined, 'ana person approver'],
    ['anas', 1001, 'ana person approver'],
    ['anas', 1000, 'ana person approver'],
  ] as const)
    test(`${String(token)} from user ${String(uid)} is ${expected}`, () => {
      assert.equal(seen(token, uid), expected);
    });

  test('can claim no name that means something else', () => {
    for (const name of ['webhook:chat/bob', 'caller:ana', 'a, b', 'a\nb', 'ana\u200b'])
      assert.match(seen('start', undefined, name), /^[A-Za-z0-9._@-]+ claimed/);
  });

  test('counts as one vote under all the names they claim, and as themselves otherwise', () => {
    assert.equal(
      votesAs({ name: 'a', role: 'operator', as: 'claimed' }),
      votesAs({ name: 'b', role: 'operator', as: 'claimed' }),
    );
    for (const as of ['user', 'person'] as const)
      assert.equal(votesAs({ name: 'a', role: 'operator', as }), undefined);
  });
});

describe('a role', () => {
  const allowed: Record<Role, string[]> = {
    viewer: ['status', 'tools', 'approvals', 'leases', 'grants', 'pins'],
    approver: ['approve', 'deny', 'end-lease'],
    operator: [],
  };

  test('includes the one before', () => {
    for (const [at, role] of roles.entries())
      for (const [other, needed] of roles.entries()) assert.equal(mayDo(role, needed), at >= other);
  });

  test('is enough for what it is for, and for nothing that switches anything', () => {
    for (const name of allowed.viewer) assert.equal(roleFor(commands.get(name)!), 'viewer', name);
    for (const name of allowed.approver) assert.equal(roleFor(commands.get(name)!), 'approver', name);
    for (const [name, command] of commands)
      if (command.kind !== 'reads' && !allowed.approver.includes(name))
        assert.equal(roleFor(command), 'operator', name);
  });

  for (const role of ['viewer', 'approver'] as const)
    test(`${role}: every command that is too much is refused, recorded with name and role, and changes nothing`, async () => {
      const plane = new FakePlane(dir);
      let tried = 0;
      for (const [name, command] of commands) {
        if (mayDo(role, roleFor(command))) continue;
        tried++;
        const reply = await carryOut(plane, { command: name, args: {}, visitor: visitor('ana', role) });
        assert.ok(!reply.ok && reply.error.code === 'NOT_PERMITTED', name);
        assert.ok(reply.error.hint);
        assert.deepEqual(plane.records.at(-1), {
          by: 'ana',
          as: 'user',
          role,
          command: name,
          args: [],
          result: 'refused: NOT_PERMITTED',
        });
      }
      assert.ok(tried > 10);
      assert.equal(plane.records.length, tried);
      assert.deepEqual(
        plane.told.filter((it) => !it.startsWith('record')),
        [],
      );
    });
});

describe('a stranger', () => {
  const stranger = { kind: 'stranger', seems: 'mallory (user 0)', why: 'no token', hint: 'get one' } as const;

  test('is refused every command alike, whether there is such a command or not, and recorded', async () => {
    const plane = new FakePlane(dir);
    const replies = new Set<string>();
    for (const command of [...commands.keys(), 'nothing', '__proto__'])
      replies.add(JSON.stringify(await carryOut(plane, { command, args: { id: 1 }, visitor: stranger })));
    assert.equal(replies.size, 1);
    assert.match([...replies][0] ?? '', /"NOT_PERMITTED"/);
    assert.equal(plane.records.length, commands.size + 2);
    assert.equal(plane.records[0]?.by, 'stranger: mallory (user 0)');
    assert.deepEqual(
      plane.told.filter((it) => !it.startsWith('record')),
      [],
    );
  });

  test('cannot fill the disk with records, and what was left out is counted', async () => {
    const plane = new FakePlane(dir);
    const knocks = new Knocks();
    const say = async (atMs: number) =>
      carryOut(plane, { command: 'status', args: {}, visitor: { ...stranger, knock: knocks.count(atMs) } });
    for (let i = 0; i < 1000; i++) await say(i);
    assert.equal(plane.records.length, 30);
    await say(61_000);
    assert.deepEqual(plane.records.at(-1)?.args, ['unrecorded=970']);
  });

  test('is refused while the journal is broken, too', async () => {
    const plane = new FakePlane(dir);
    plane.journalBroken = true;
    const reply = await carryOut(plane, { command: 'lockdown', args: {}, visitor: stranger });
    assert.ok(!reply.ok);
    assert.equal(plane.switches.current().lockdown, undefined);
  });
});

describe('operators.json', () => {
  test('knows a token again, holds none, and is ours alone', () => {
    const { token, record } = add('ana');
    assert.match(token, /^mcpd_op_[0-9A-Za-z]{8}_[0-9A-Za-z_-]{43}$/);
    assert.deepEqual(personOf(dir, token, now), { name: 'ana', role: 'approver' });
    const text = readFileSync(path(), 'utf8');
    assert.ok(!text.includes(token) && !text.includes(token.slice(17)));
    assert.equal(statSync(path()).mode & 0o777, 0o600);
    assert.equal(record.name, 'ana');
  });

  test('a token that is wrong in any character, revoked or over is nobody’s', () => {
    const { token } = add('ana', 'operator', now + 1000);
    for (let at = 0; at < token.length; at++) {
      const wrong = `${token.slice(0, at)}${token[at] === 'x' ? 'y' : 'x'}${token.slice(at + 1)}`;
      assert.equal(personOf(dir, wrong, now), undefined, String(at));
    }
    for (const wrong of ['', `${token} `, token.slice(0, -1), `${token}A`])
      assert.equal(personOf(dir, wrong, now), undefined);
    assert.ok(personOf(dir, token, now + 999));
    assert.equal(personOf(dir, token, now + 1000), undefined);
    assert.equal(revokeOperator(dir, 'ana', now, held), 'revoked');
    assert.equal(personOf(dir, token, now), undefined);
    const written = statSync(join(dir, 'operators.json')).ino;
    assert.equal(revokeOperator(dir, 'ana', now, held), 'already');
    assert.notEqual(statSync(join(dir, 'operators.json')).ino, written);
    assert.equal(revokeOperator(dir, 'bob', now, held), 'unknown');
  });

  test('gives one good token to a person, and a new one after the old is gone', () => {
    add('ana');
    assert.throws(() => add('ana'), refused(/mcpd operator revoke ana/));
    revokeOperator(dir, 'ana', now, held);
    const { token } = add('ana', 'viewer');
    assert.equal(personOf(dir, token, now)?.role, 'viewer');
    assert.equal(listOperators(dir).length, 2);
  });

  test('is not written by a command whose lock another one has taken', () => {
    add('ana');
    const before = readFileSync(path(), 'utf8');
    const taken = () => {
      throw new Fault('CONFIG_INVALID', { detail: 'taken by another command' });
    };
    const bob = { name: 'bob', role: 'viewer', expiresAtMs: undefined } as const;
    assert.throws(() => addOperator(dir, bob, now, taken), refused(/taken by another/));
    assert.throws(() => revokeOperator(dir, 'ana', now, taken), refused(/taken by another/));
    assert.equal(readFileSync(path(), 'utf8'), before);
  });

  test('refuses names that could pass for somebody else', () => {
    for (const name of ['', 'Ana', 'a b', 'webhook:chat/bob', '-a', 'a,b', 'ana\n', 'x'.repeat(65), 'аna'])
      assert.throws(() => add(name), refused(/not a name/), JSON.stringify(name));
  });

  const broken: [string, (text: string) => string][] = [
    ['empty', () => ''],
    ['filled with zeros', (text) => '\0'.repeat(text.length)],
    ['cut', (text) => text.slice(0, -20)],
    ['of a later version', (text) => text.replace('"version": 1', '"version": 2')],
    ['of another shape', () => '{"version":1,"operators":{}}'],
    ['with a role that is none', (text) => text.replace('"approver"', '"root"')],
    ['with a time that is none', (text) => text.replace(/"createdAt": "[^"]*"/, '"createdAt": "soon"')],
    ['with a hash that is none', (text) => text.replace(/"sha256": "[^"]*"/, '"sha256": ""')],
  ];
  for (const [what, spoil] of broken)
    test(`lets nobody in when it is ${what}, and says so`, () => {
      const { token } = add('ana');
      writeFileSync(path(), spoil(readFileSync(path(), 'utf8')));
      assert.throws(() => personOf(dir, token, now), refused(/operators\.json/));
    });

  test('is not read through a link, nor where others may write it', () => {
    const { token } = add('ana');
    chmodSync(path(), 0o666);
    assert.throws(() => personOf(dir, token, now), refused(/written by other users.*chmod 600/));
    rmSync(path());
    symlinkSync('/dev/null', path());
    assert.throws(() => personOf(dir, token, now), refused(/symbolic link/));
  });
});
