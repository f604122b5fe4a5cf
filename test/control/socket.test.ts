import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { ask, NoAnswer } from '../../src/control/client.ts';
import { ControlSocket, type ControlOptions } from '../../src/control/socket.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { Order } from '../../src/operate/commands.ts';

let dir = '';
let path = '';
let opened: ControlSocket[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-control-'));
  path = join(dir, 'run', 'control.sock');
});
afterEach(async () => {
  for (const socket of opened) await socket.close();
  opened = [];
  rmSync(dir, { recursive: true, force: true });
});

async function open(more: Partial<ControlOptions> = {}): Promise<ControlSocket> {
  const socket = await ControlSocket.open({
    path,
    answer: async (order) => ({ ok: true, command: order.command, heard: order }),
    redact: (text) => text,
    ...more,
  });
  opened.push(socket);
  return socket;
}

const refusedWith =
  (pattern: RegExp, code = 'CONFIG_INVALID') =>
  (reason: unknown) => {
    assert.ok(reason instanceof Fault);
    assert.equal(reason.code, code);
    assert.match(reason.detail ?? '', pattern);
    assert.ok(reason.hint, 'an operator is told what to type');
    return true;
  };

/** Writes raw bytes, gives all that came back. */
function raw(bytes: string | Buffer, { end = false } = {}): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(path, () => (end ? socket.end(bytes) : socket.write(bytes)));
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    socket.on('error', () => {});
    socket.on('close', () => resolve(heard));
  });
}

describe('a command', () => {
  test('travels as one line and is answered with one line', async () => {
    await open();
    const answer = await ask(path, 'status', { a: 1 }, { operator: 'ana' });
    assert.deepEqual(answer, {
      ok: true,
      command: 'status',
      heard: {
        command: 'status',
        args: { a: 1 },
        visitor: { kind: 'operator', operator: { name: 'ana', role: 'operator', as: 'claimed' } },
      },
    });
  });

  test('is answered when the client closes its side instead of ending the line', async () => {
    await open();
    const heard = await raw('{"command":"status","operator":"ana"}', { end: true });
    assert.equal((JSON.parse(heard) as { ok: boolean }).ok, true);
  });

  test('that arrives byte by byte is one command', async () => {
    const orders: Order[] = [];
    await open({
      answer: async (order) => {
        orders.push(order);
        return { ok: true, command: order.command };
      },
    });
    const heard = await new Promise<string>((resolve) => {
      const socket = connect(path);
      socket.setNoDelay(true);
      const bytes = [...'{"command":"status","operator":"ana"}\n'];
      const next = () => {
        const byte = bytes.shift();
        if (byte !== undefined) socket.write(byte, () => setImmediate(next));
      };
      next();
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('close', () => resolve(text));
    });
    assert.equal(heard, '{"ok":true,"command":"status"}\n');
    assert.equal(orders.length, 1);
  });

  test('is not shown with what the redactor removes', async () => {
    await open({ redact: (text) => text.replaceAll('hunter2', '[redacted]') });
    const answer = await ask(path, 'status', { reason: 'hunter2' });
    assert.ok(!JSON.stringify(answer).includes('hunter2'));
  });

  test('that throws is answered with BUG, and the next one works', async () => {
    let first = true;
    await open({
      answer: async () => {
        if (first) {
          first = false;
          throw new Error('boom');
        }
        return { ok: true, command: 'x' };
      },
    });
    const answer = await ask(path, 'x');
    assert.ok(!answer.ok);
    assert.equal(answer.error.code, 'BUG');
    assert.equal((await ask(path, 'x')).ok, true);
  });

  for (const [what, bytes, code] of [
    ['garbage', '\x00\x01\xff nonsense\n', 'BAD_JSON'],
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d, 0x0a]), 'BAD_JSON'],
    ['an array', '[]\n', 'BAD_PARAMS'],
    ['no operator', '{"command":"status"}\n', 'BAD_MESSAGE'],
    ['no command', '{"operator":"ana"}\n', 'BAD_MESSAGE'],
    ['an unknown member', '{"command":"status","operator":"ana","sudo":true}\n', 'BAD_MESSAGE'],
    ['a member twice', '{"command":"status","command":"lockdown","operator":"ana"}\n', 'BAD_JSON'],
    [
      'deep nesting',
      `{"command":"status","operator":"ana","args":${'['.repeat(500)}${']'.repeat(500)}}\n`,
      'TOO_DEEP',
    ],
    [
      'two commands',
      '{"command":"status","operator":"ana"}\n{"command":"status","operator":"ana"}\n',
      'BAD_MESSAGE',
    ],
  ] as const) {
    test(`made of ${what} is refused with ${code} and carried out by nobody`, async () => {
      let carriedOut = 0;
      await open({
        answer: async (order) => {
          carriedOut++;
          return { ok: true, command: order.command };
        },
      });
      const heard = JSON.parse(await raw(bytes)) as { ok: boolean; error: { code: string } };
      assert.equal(heard.ok, false);
      assert.equal(heard.error.code, code);
      assert.equal(carriedOut, 0);
    });
  }

  test('of 10 MB is refused without being read to its end', async () => {
    await open();
    const heard = await raw(Buffer.alloc(10 * 1024 * 1024, 'x'));
    assert.match(heard, /"code":"TOO_LARGE"/);
    assert.equal((await ask(path, 'status')).ok, true);
  });

  test('gets through while 200 idle connections lie around', async () => {
    await open();
    const idle: Socket[] = [];
    for (let i = 0; i < 200; i++) {
      idle.push(
        await new Promise<Socket>((resolve) => {
          const socket = connect(path, () => resolve(socket));
          socket.on('error', () => {});
        }),
      );
    }
    assert.equal((await ask(path, 'lockdown')).ok, true);
    for (const socket of idle) socket.destroy();
  });

  test('that never comes ends the connection', async () => {
    await open({ orderWithinMs: 20 });
    assert.match(await raw('{"command":'), /no whole command in time/);
  });

  test('is turned away while too many are being carried out', async () => {
    let release = () => {};
    let arrived = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    await open({
      connectionsMax: 2,
      answer: async (order) => {
        arrived();
        await held;
        return { ok: true, command: order.command };
      },
    });
    const under: Promise<unknown>[] = [];
    for (const command of ['a', 'b']) {
      const inside = new Promise<void>((resolve) => (arrived = resolve));
      under.push(ask(path, command));
      await inside;
    }
    const third = await ask(path, 'c');
    assert.ok(!third.ok);
    assert.equal(third.error.code, 'TOO_MANY');
    release();
    await Promise.all(under);
  });
});

describe('the place of the socket', () => {
  test('is a 0600 socket in a 0700 directory, whatever the umask', async () => {
    const before = process.umask(0);
    try {
      await open();
      assert.equal(process.umask(), 0, 'the umask is put back');
    } finally {
      process.umask(before);
    }
    assert.equal(lstatSync(path).mode & 0o777, 0o600);
    assert.equal(lstatSync(join(dir, 'run')).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(join(dir, 'run')), ['control.lock', 'control.sock', 'token']);
  });

  test('is refused in a directory that others can enter', async () => {
    mkdirSync(join(dir, 'run'));
    chmodSync(join(dir, 'run'), 0o750);
    await assert.rejects(open(), refusedWith(/open to other users/));
  });

  test('is refused in a directory that is a link', async () => {
    mkdirSync(join(dir, 'elsewhere'), { mode: 0o700 });
    symlinkSync(join(dir, 'elsewhere'), join(dir, 'run'));
    await assert.rejects(open(), refusedWith(/not a directory/));
  });

  for (const [what, make] of [
    ['a plain file', () => writeFileSync(path, 'mine')],
    ['a symbolic link', () => symlinkSync('/nowhere', path)],
    ['a directory', () => mkdirSync(path)],
  ] as const) {
    test(`is refused, and left alone, when it is ${what}`, async () => {
      mkdirSync(join(dir, 'run'), { mode: 0o700 });
      make();
      const before = lstatSync(path).ino;
      await assert.rejects(open(), refusedWith(/cannot stand there/));
      assert.equal(lstatSync(path).ino, before);
    });
  }

  test('is refused when a symbolic link leads to a live socket of somebody', async () => {
    mkdirSync(join(dir, 'run'), { mode: 0o700 });
    const other = createServer().listen(join(dir, 'run', 'other'));
    symlinkSync(join(dir, 'run', 'other'), path);
    await assert.rejects(open(), refusedWith(/symbolic link/));
    await new Promise((resolve) => other.close(resolve));
  });

  test('is taken over from a daemon that was killed', async () => {
    mkdirSync(join(dir, 'run'), { mode: 0o700 });
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    assert.ok(lstatSync(path).isSocket());
    await open();
    assert.equal((await ask(path, 'status')).ok, true);
    assert.deepEqual(readdirSync(join(dir, 'run')), ['control.lock', 'control.sock', 'token']);
  });

  test('is refused to a second daemon, and the first keeps answering', async () => {
    await open();
    await assert.rejects(open(), refusedWith(/another mcpd is running/, 'PLACE_TAKEN'));
    assert.equal((await ask(path, 'status')).ok, true);
  });

  test('is given to one of several that start at once over a dead socket', async () => {
    mkdirSync(join(dir, 'run'), { mode: 0o700 });
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    // Each in its own process, as daemons are.
    const module = JSON.stringify(new URL('../../src/control/socket.ts', import.meta.url).href);
    const daemon = `import(${module}).then(({ ControlSocket }) => ControlSocket.open({ path: ${JSON.stringify(path)}, answer: async () => ({ ok: true, command: 'x' }), redact: (t) => t })).then(() => console.log('up'), (e) => { console.log(e.detail); process.exit(1); })`;
    const { spawn } = await import('node:child_process');
    const daemons = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['-e', daemon], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    const said = await Promise.all(
      daemons.map(
        (it) =>
          new Promise<string>((resolve) =>
            it.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())),
          ),
      ),
    );
    const answered = await ask(path, 'x');
    for (const it of daemons) it.kill('SIGKILL');
    assert.equal(said.filter((it) => it === 'up').length, 1, said.join(' | '));
    assert.equal(answered.ok, true);
  });

  test('is refused with its length when the system cannot hold it', async () => {
    path = join(dir, 'x'.repeat(120), 'control.sock');
    await assert.rejects(open(), refusedWith(/bytes, and the system allows/));
  });

  test('is empty after close, and close may be called twice', async () => {
    const socket = await open();
    await socket.close();
    await socket.close();
    assert.deepEqual(readdirSync(join(dir, 'run')), ['control.lock']);
  });

  test('keeps a foreign file that took the name meanwhile', async () => {
    const socket = await open();
    unlinkSync(path);
    writeFileSync(path, 'not yours');
    await socket.close();
    assert.ok(lstatSync(path).isFile());
  });

  const root = process.getuid?.() === 0 && spawnSync('setpriv', ['--version']).status === 0;
  test(
    'cannot be reached by another user',
    { skip: root ? false : 'needs root and setpriv to become another user' },
    async () => {
      chmodSync(dir, 0o755);
      await open();
      const script = `require('net').connect(${JSON.stringify(path)}).on('connect', () => console.log('in')).on('error', (e) => console.log(e.code))`;
      // Asynchronously, because this process is the one that would answer.
      const { spawn } = await import('node:child_process');
      const node = spawnSync('sh', ['-c', 'command -v node']).stdout.toString().trim();
      for (const who of [
        ['--reuid=65534', '--regid=65534', '--clear-groups'],
        ['--reuid=65534', '--regid=0', '--clear-groups'],
      ]) {
        const child = spawn('setpriv', [...who, node, '-e', script], {
          stdio: ['ignore', 'pipe', 'inherit'],
          cwd: '/',
        });
        const said = await new Promise<string>((resolve) =>
          child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())),
        );
        assert.equal(said, 'EACCES');
      }
    },
  );
});

describe('the client', () => {
  test('says that mcpd is not running, and how to start it', async () => {
    await assert.rejects(ask(path, 'status'), (reason: unknown) => {
      assert.ok(reason instanceof NoAnswer);
      assert.equal(reason.code, 'NOT_RUNNING');
      assert.match(reason.hint, /mcpd run/);
      return true;
    });
  });

  test('says so too when only a dead socket is left', async () => {
    mkdirSync(join(dir, 'run'), { mode: 0o700 });
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    await assert.rejects(ask(path, 'status'), { code: 'NOT_RUNNING' });
  });

  test('does not wait for ever for a daemon that hangs', async () => {
    await open({ answer: () => new Promise(() => {}) });
    await assert.rejects(ask(path, 'status', {}, { answerWithinMs: 30 }), { code: 'NO_ANSWER' });
  });

  test('says so when the daemon hangs up without an answer', async () => {
    mkdirSync(join(dir, 'run'), { mode: 0o700 });
    const rude = createServer((socket) => socket.destroy()).listen(path);
    await assert.rejects(ask(path, 'status'), { code: 'NO_ANSWER' });
    await new Promise((resolve) => rude.close(resolve));
  });
});
