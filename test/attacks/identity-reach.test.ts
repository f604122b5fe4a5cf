// Two credentials of one caller, of which one opens less: it gets nothing of what the other opened.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { initialize, post, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { HandMade, scopes } from './identity-issuer.ts';

const classes = `
[tools.read_file]
risk = "read"
effect = "none"
[tools.echo]
risk = "write"
effect = "says something"
[tools.progress]
risk = "write"
effect = "counts"
[tools.ask_sampling]
risk = "destructive"
effect = "asks"
`;
const policy = rule('allow', ['read_file', 'echo', 'progress', 'ask_sampling'], 'upcalls = ["*"]') + classes;

describe('a session that a wider credential of the same caller opened', () => {
  let issuer: HandMade;
  let daemon: TestDaemon;
  let wide: string;
  let narrow: string;
  before(async () => {
    issuer = await HandMade.start();
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', policy), other: serving('answers', policy) },
      daemon: `http_sse = true\n${issuer.toml('audience = "origin"\n')}`,
    });
    wide = await issuer.token(daemon.url, scopes.destructive, { client_id: 'editor' });
    narrow = await issuer.token(daemon.url, scopes.read, { client_id: 'widget' });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });

  const knock = (
    method: 'GET' | 'DELETE',
    key: string,
    session: string,
    more: Record<string, string> = {},
    path = '/servers/fx/mcp',
  ) =>
    fetch(daemon.url + path, {
      method,
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${key}`,
        'mcp-session-id': session,
        ...more,
      },
    });

  it('is unknown to the narrower one, whatever it tries there', async () => {
    const session = await daemon.session('fx', { key: wide });
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    assert.equal((await post(daemon, 'fx', narrow, session.id, ping)).status, 404);
    for (const method of ['GET', 'DELETE'] as const) {
      const reply = await knock(method, narrow, session.id);
      await reply.body?.cancel();
      assert.equal(reply.status, 404, method);
    }
    assert.match(await session.text('echo', { text: 'still here' }), /still here/);
  });

  it('tells it nothing of what the wider one was answered on a stream', async () => {
    const session = await daemon.session('fx', { key: wide });
    const stream = await fetch(`${daemon.url}/servers/fx/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream, application/json',
        authorization: `Bearer ${wide}`,
        'mcp-session-id': session.id,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 5,
        method: 'tools/call',
        params: { name: 'progress', arguments: { steps: 2 }, _meta: { progressToken: 1 } },
      }),
    });
    const [, first = ''] = /^id: (\S+)$/m.exec(await stream.text()) ?? [];
    assert.notEqual(first, '');
    const own = await knock('GET', wide, session.id, { 'last-event-id': first });
    assert.equal(own.status, 200, 'its own client may read it again');
    await own.body?.cancel();
    const theirs = await knock('GET', narrow, session.id, { 'last-event-id': first });
    await theirs.body?.cancel();
    assert.equal(theirs.status, 404);
  });

  it('lets it answer no question that was put to the wider one', async () => {
    const session = await daemon.session('fx', { key: wide, capabilities: { sampling: {} } });
    let asked: unknown;
    const call = session.request('tools/call', { name: 'ask_sampling', arguments: {} }, (event) => {
      if (event['method'] === 'sampling/createMessage') asked = event['id'];
    });
    await until('the server has asked', () => asked !== undefined);
    const said = (text: string) => ({
      jsonrpc: '2.0',
      id: asked,
      result: { role: 'assistant', content: { type: 'text', text }, model: 'm' },
    });
    assert.equal((await post(daemon, 'fx', narrow, session.id, said('forged'))).status, 404);
    await session.raw(said('mine'));
    const answer = JSON.stringify((await call).body);
    assert.match(answer, /mine/);
    assert.doesNotMatch(answer, /forged/);
  });

  it('of the hall is unknown to it as well', async () => {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    const say = (key: string, body: object, session?: string) =>
      fetch(`${daemon.url}/mcp`, {
        method: 'POST',
        headers: {
          ...headers,
          authorization: `Bearer ${key}`,
          ...(session === undefined ? {} : { 'mcp-session-id': session }),
        },
        body: JSON.stringify(body),
      });
    const opened = await say(wide, initialize());
    const id = opened.headers.get('mcp-session-id') ?? '';
    const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' };
    assert.equal((await say(wide, list, id)).status, 200);
    assert.equal((await say(narrow, list, id)).status, 404);
    const stream = await knock('GET', narrow, id, {}, '/mcp');
    await stream.body?.cancel();
    assert.equal(stream.status, 404);
  });

  it('over HTTP+SSE takes no message from it', async () => {
    const stop = new AbortController();
    const stream = await fetch(`${daemon.url}/servers/fx/sse`, {
      headers: { authorization: `Bearer ${wide}`, accept: 'text/event-stream' },
      signal: stop.signal,
    });
    assert.equal(stream.status, 200);
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    const [, path = ''] = /data: (\S+)/.exec((await reader?.read())?.value ?? '') ?? [];
    const send = (key: string) =>
      fetch(daemon.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify(initialize()),
      });
    assert.equal((await send(narrow)).status, 404);
    assert.equal((await send(wide)).status, 202);
    stop.abort();
  });

  it('may be gone on with by a wider one, which is how a client comes back with a better token', async () => {
    const session = await daemon.session('fx', { key: narrow });
    const echo = {
      jsonrpc: '2.0',
      id: 3,
      method: 'tools/call',
      params: { name: 'echo', arguments: { text: 'x' } },
    };
    assert.equal((await session.raw(echo)).status, 403);
    assert.equal((await post(daemon, 'fx', wide, session.id, echo)).status, 200);
  });

  it('and then it is the wider one’s: the narrower one has no place in it any more', async () => {
    const session = await daemon.session('fx', { key: narrow });
    assert.equal((await session.request('ping')).status, 200);
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    assert.equal((await post(daemon, 'fx', wide, session.id, ping)).status, 200);
    assert.equal((await session.request('ping')).status, 404);
  });
});
