// What was begun with a credential goes no further once the credential is taken away or has run out.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { say, textIn } from '../eras/raw.ts';
import { post, rawEnv, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { HandMade, scopes } from './identity-issuer.ts';

const policy = `sharing = "all"\n${rawEnv}${rule('allow', ['read_file', 'change_tools'])}${rule('confirm', ['write_file'])}`;
const listening = { notifications: { toolsListChanged: true } };

describe('a credential that is no good any more', () => {
  let issuer: HandMade;
  let daemon: TestDaemon;
  let made = 0;
  before(async () => {
    issuer = await HandMade.start();
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', policy), other: serving('answers', policy) },
      daemon: issuer.toml('audience = "origin"\nclock_skew = "0s"\n'),
    });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });

  const heard = (mark: string): boolean => {
    const file = join(daemon.dir, 'raw.log');
    return existsSync(file) && readFileSync(file, 'utf8').includes(mark);
  };
  const waiting = async (mark: string): Promise<string> => {
    let id: string | undefined;
    await until('somebody is asked', async () => {
      id = (await daemon.approvals()).find(({ argsText }) => argsText.includes(mark))?.id;
      return id !== undefined;
    });
    return id as string;
  };
  /** A key that nobody else uses. */
  const freshKey = async (): Promise<{ name: string; key: string }> => {
    const name = `guest-${++made}`;
    return { name, key: await daemon.addKey(name) };
  };
  const revoke = async (name: string): Promise<void> => {
    assert.equal((await daemon.mcpd(['key', 'revoke', name])).code, 0);
  };
  /** A token that runs out in a moment, and the wait until it has. */
  const briefly = async (): Promise<{ token: string; over: () => Promise<void> }> => {
    const exp = Math.floor(Date.now() / 1000) + 3;
    const token = await issuer.token(daemon.url, scopes.destructive, { exp });
    return { token, over: () => until('the token has run out', () => Date.now() >= exp * 1000 + 50) };
  };
  /** A modern stream, and whether it is over. */
  const listen = async (path: string, key: string): Promise<{ isOver: () => boolean; stop: () => void }> => {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const stop = new AbortController();
    const response = await fetch(daemon.url + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'subscriptions/listen',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'subscriptions/listen',
        params: { ...listening, _meta },
      }),
      signal: stop.signal,
    });
    assert.equal(response.status, 200, 'the stream stands');
    let over = false;
    void response
      .text()
      .catch(() => undefined)
      .finally(() => (over = true));
    return { isOver: () => over, stop: () => stop.abort() };
  };

  it('a call that waits for a yes is not made with a key that was taken away', async () => {
    const { name, key } = await freshKey();
    const call = say(daemon, 'fx', 'tools/call', { name: 'write_file', arguments: { path: name } }, { key });
    const id = await waiting(name);
    await revoke(name);
    await daemon.ctl('approve', id);
    assert.doesNotMatch(textIn(await call), /^ok/);
    assert.equal(heard(`"path":"${name}"`), false, 'nothing reached the child');
  });

  it('a call that waits for a yes is not made with a token that has run out, and its caller is told to sign in', async () => {
    const { token, over } = await briefly();
    const call = say(
      daemon,
      'fx',
      'tools/call',
      { name: 'write_file', arguments: { path: 'late' } },
      { key: token },
    );
    const id = await waiting('late');
    await over();
    await daemon.ctl('approve', id);
    assert.equal((await call).status, 401);
    assert.equal(heard('"path":"late"'), false, 'nothing reached the child');
  });

  it('nobody is asked any longer about a call of a key that was taken away', async () => {
    const { name, key } = await freshKey();
    const call = say(daemon, 'fx', 'tools/call', { name: 'write_file', arguments: { path: name } }, { key });
    const id = await waiting(name);
    await revoke(name);
    await until('the question is gone', async () =>
      (await daemon.approvals()).every((question) => question.id !== id),
    );
    await call;
  });

  for (const [where, path] of [
    ['a server', '/servers/fx/mcp'],
    ['the hall', '/mcp'],
  ] as const) {
    it(`a modern stream of ${where} ends with the key that it was opened with`, async () => {
      const { name, key } = await freshKey();
      const stream = await listen(path, key);
      const mine = await listen(path, daemon.key);
      await revoke(name);
      await until('the stream is over', stream.isOver);
      assert.equal(mine.isOver(), false, 'another caller’s goes on');
      mine.stop();
    });

    it(`a modern stream of ${where} ends when the token runs out that it was opened with`, async () => {
      const { token } = await briefly();
      const stream = await listen(path, token);
      await until('the stream is over', stream.isOver);
    });
  }

  it('a stream that a second key holds in a session of the first ends with the second', async () => {
    const { name, key } = await freshKey();
    const session = await daemon.session('fx', { key });
    const rotated = await daemon.mcpd(['key', 'rotate', name, '--overlap', '1h', '--json']);
    const second = JSON.parse(rotated.stdout) as { key: string; id: string };
    const stream = await session.http('GET', second.key);
    assert.equal(stream.status, 200);
    let over = false;
    void stream
      .text()
      .catch(() => undefined)
      .finally(() => (over = true));
    await revoke(second.id);
    await until('the stream is over', () => over);
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    assert.equal((await post(daemon, 'fx', second.key, session.id, ping)).status, 401);
  });
});
