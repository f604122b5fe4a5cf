// Whoever the owner has mapped comes in over a Unix socket as the user that the kernel says; a key goes before that.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isAvailable } from '../../src/native.ts';
import { initialize, rule, run, serving, TestDaemon, projectRoot } from '../support/daemon.ts';

const skip = isAvailable() ? false : 'koffi is not installed here: the kernel cannot be asked';
const uid = userInfo().uid;

describe('socket users need no key', { skip }, () => {
  let daemon: TestDaemon;
  let path: string;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', rule('allow', ['echo'])) },
      prepare: ({ dir }) => mkdirSync(join(dir, 'run'), { mode: 0o755 }),
      daemon: `[listen.socket]\npath = "$DIR/run/mcpd.sock"\nmode = "0660"\n[listen.socket.users]\n"${uid}" = "me"\n"4294967294" = "nobody-here"\n`,
    });
    path = join(daemon.dir, 'run', 'mcpd.sock');
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const begin = (socketPath: string, headers: Record<string, string> = {}): Promise<number> =>
    new Promise((resolve, reject) => {
      const own = {
        host: 'localhost',
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
      };
      const req = request(
        {
          socketPath,
          path: '/servers/fx/mcp',
          method: 'POST',
          agent: false,
          headers: { ...own, ...headers },
        },
        (res) => {
          res.resume();
          res.on('end', () => resolve(res.statusCode ?? 0));
        },
      );
      req.on('error', reject);
      req.end(JSON.stringify(initialize()));
    });
  const last = async () => (await daemon.audit('--since', '1h')).at(-1);

  it('the socket has the mode that the owner wrote', () => {
    assert.equal(statSync(path).mode & 0o777, 0o660);
  });

  it('a mapped user comes in without a key, and the journal says who it was', async () => {
    assert.equal(await begin(path), 200);
    const record = await last();
    assert.equal(record?.['remote'], `unix:${uid}`);
    assert.equal(record['caller'], 'me');
  });

  it('a key goes before the user, and a wrong key is not made up for by one', async () => {
    assert.equal(await begin(path, { authorization: `Bearer ${daemon.key}` }), 200);
    assert.equal((await last())?.['caller'], 'tester');
    assert.equal(await begin(path, { authorization: 'Bearer mcpd_AAAAAAAA_x' }), 401);
    assert.equal(await begin(path, { authorization: 'Basic eDp5' }), 401);
  });

  it('nobody is a user by saying so', async () => {
    const port = (headers: Record<string, string>) =>
      fetch(`${daemon.url}/servers/fx/mcp`, {
        method: 'POST',
        headers: {
          accept: 'application/json, text/event-stream',
          'content-type': 'application/json',
          ...headers,
        },
        body: JSON.stringify(initialize()),
      }).then(({ status }) => status);
    assert.equal(await port({ 'x-remote-user': 'me', 'x-forwarded-user': String(uid) }), 401);
  });

  it('mcpd connect needs no key for its owner', async () => {
    const { MCPD_KEY: _, ...env } = daemon.env;
    const { stdout, stderr } = await run(
      process.execPath,
      [join(projectRoot, 'src', 'launch.cjs'), 'connect', 'fx'],
      env,
      `${JSON.stringify(initialize())}\n`,
    );
    assert.match(stdout, /"protocolVersion"/, stderr);
  });

  it('no socket is opened in a folder that others can write to', async () => {
    chmodSync(join(daemon.dir, 'run'), 0o777);
    assert.equal(await daemon.end(), 0);
    await assert.rejects(daemon.boot(), /no folder that only mcpd/);
    chmodSync(join(daemon.dir, 'run'), 0o755);
    await daemon.boot();
    assert.equal(await begin(path), 200);
  });
});
