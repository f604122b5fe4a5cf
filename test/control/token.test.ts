import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { ask } from '../../src/control/client.ts';
import { ControlSocket, type ControlOptions } from '../../src/control/socket.ts';
import { whoAmI } from '../../src/control/user-name.ts';
import { isAvailable, peerUid } from '../../src/native.ts';
import type { Order } from '../../src/operate/commands.ts';

let dir = '';
let path = '';
let opened: ControlSocket[] = [];
let orders: Order[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-token-'));
  path = join(dir, 'run', 'control.sock');
  orders = [];
});
afterEach(async () => {
  for (const socket of opened) await socket.close();
  opened = [];
  rmSync(dir, { recursive: true, force: true });
});

const file = () => join(dir, 'run', 'token');

/** A daemon that carries out what comes from whom it knows. */
async function open(more: Partial<ControlOptions> = {}): Promise<ControlSocket> {
  const socket = await ControlSocket.open({
    path,
    answer: async (order) => {
      orders.push(order);
      return order.visitor.kind === 'operator'
        ? { ok: true, command: order.command }
        : { ok: false, error: { code: 'NOT_PERMITTED', says: order.visitor.why } };
    },
    redact: (text) => text,
    ...more,
  });
  opened.push(socket);
  return socket;
}

function raw(line: object): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(path, () => socket.write(`${JSON.stringify(line)}\n`));
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(heard));
  });
}

describe('the token of a start', () => {
  test('lies beside the socket for its owner alone, whatever the umask, and goes with the socket', async () => {
    const before = process.umask(0);
    try {
      const socket = await open();
      assert.equal(lstatSync(file()).mode & 0o777, 0o600);
      assert.equal(readFileSync(file(), 'utf8').trim(), socket.token);
      assert.match(socket.token, /^mcpd_ctl_[0-9A-Za-z_-]{43}$/);
      await socket.close();
      assert.equal(lstatSync(file(), { throwIfNoEntry: false }), undefined);
    } finally {
      process.umask(before);
    }
  });

  test('is new at each start', async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const socket = await open();
      seen.add(socket.token);
      await socket.close();
    }
    assert.equal(seen.size, 3);
  });

  test('is there before anybody can connect', async () => {
    // Whoever finds a socket finds its token: looked at from the moment the name appears.
    const opening = open();
    let found: string | undefined;
    while (found === undefined) {
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
        found = readFileSync(file(), 'utf8').trim();
      else await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(found, (await opening).token);
  });

  test('replaces what lies at its place, and does not write through a link', async () => {
    mkdirSync(join(dir, 'run'), { mode: 0o700 });
    writeFileSync(join(dir, 'victim'), 'precious');
    symlinkSync(join(dir, 'victim'), file());
    await open();
    assert.ok(lstatSync(file()).isFile());
    assert.equal(readFileSync(join(dir, 'victim'), 'utf8'), 'precious');
  });

  test('of a daemon that is running is not replaced by a second one', async () => {
    const { token } = await open();
    await assert.rejects(open());
    assert.equal(readFileSync(file(), 'utf8').trim(), token);
    assert.equal((await ask(path, 'status')).ok, true);
  });

  test('of a later daemon is not removed by an earlier one', async () => {
    const socket = await open();
    writeFileSync(file(), 'mcpd_ctl_of-a-later-one');
    await socket.close();
    assert.equal(readFileSync(file(), 'utf8'), 'mcpd_ctl_of-a-later-one');
  });
});

describe('a command', () => {
  test('without the right token is a stranger’s, whatever it says', async () => {
    const { token } = await open();
    const wrongs = [
      undefined,
      token.slice(0, -1),
      `${token}A`,
      token.toUpperCase(),
      `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`,
      ' ',
    ];
    for (const wrong of wrongs)
      assert.match(
        await raw({
          command: 'lockdown',
          operator: 'root',
          ...(wrong === undefined ? {} : { token: wrong }),
        }),
        /NOT_PERMITTED/,
      );
    assert.equal(orders.filter(({ visitor }) => visitor.kind === 'operator').length, 0);
    assert.equal(orders.length, wrongs.length);
  });

  test('with something else in the place of a token is no command', async () => {
    await open();
    for (const token of [1, null, {}, [], true, '', 'x'.repeat(257)])
      assert.match(await raw({ command: 'status', operator: 'ana', token }), /BAD_MESSAGE/);
    assert.equal(orders.length, 0);
  });

  test('is sent with the token from beside the socket, or with the one that is given', async () => {
    await open({ personOf: (token) => (token === 'anas' ? { name: 'ana', role: 'viewer' } : undefined) });
    assert.equal((await ask(path, 'status')).ok, true);
    assert.equal((await ask(path, 'status', {}, { token: 'anas' })).ok, true);
    assert.deepEqual(orders.at(-1)?.visitor, {
      kind: 'operator',
      operator: { name: 'ana', role: 'viewer', as: 'person' },
    });
    // Whoever shows a bad one is not let in by the good one that they could have read.
    assert.equal((await ask(path, 'status', {}, { token: 'bobs' })).ok, false);
  });

  test('is said again to a daemon that was started anew in between', async () => {
    const { token } = await open();
    writeFileSync(file(), 'mcpd_ctl_of-an-earlier-one');
    let seen = 0;
    await opened[0]?.close();
    await open({
      answer: async (order) => {
        // The first time, the file still holds the old one.
        if (seen++ === 0) writeFileSync(file(), opened.at(-1)?.token ?? '');
        orders.push(order);
        return order.visitor.kind === 'operator'
          ? { ok: true, command: order.command }
          : { ok: false, error: { code: 'NOT_PERMITTED', says: '' } };
      },
    });
    writeFileSync(file(), token);
    assert.equal((await ask(path, 'status')).ok, true);
    assert.equal(seen, 2);
  });

  test(
    'says who the system says that it is',
    { skip: isAvailable() ? false : 'koffi is not installed' },
    async () => {
      await open({ peerUid });
      assert.equal((await ask(path, 'status', {}, { operator: 'somebody-else' })).ok, true);
      assert.deepEqual(orders[0]?.visitor, {
        kind: 'operator',
        operator: { name: whoAmI(), role: 'operator', as: 'user' },
      });
    },
  );

  test('of another user of this machine is refused, with the right token too', async () => {
    const other = (process.getuid?.() ?? 0) + 4242;
    await open({ peerUid: () => other });
    assert.equal((await ask(path, 'status')).ok, false);
    await opened[0]?.close();
    await open({ peerUid: () => 0 });
    assert.equal((await ask(path, 'status')).ok, true);
  });

  test('is refused while the persons cannot be read, and the token of the start goes on working', async () => {
    await open({
      personOf: () => {
        throw new Error('damaged');
      },
    });
    assert.equal((await ask(path, 'status', {}, { token: 'anas' })).ok, false);
    assert.equal((await ask(path, 'lockdown')).ok, true);
  });

  test('finds a token that it may not read missing, and says so', async () => {
    await open();
    rmSync(file());
    mkdirSync(file());
    const answer = await ask(path, 'status');
    assert.ok(!answer.ok && answer.error.code === 'NOT_PERMITTED');
    chmodSync(file(), 0o700);
    rmSync(file(), { recursive: true });
  });
});
