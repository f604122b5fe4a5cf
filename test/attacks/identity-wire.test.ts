// One connection, several credentials: each request is its own caller's, and what stands in the record is true.
import assert from 'node:assert/strict';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Authority, noOpenssl, type Pair } from '../front/certificates.ts';
import { freePort, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { exchange, header, postText } from '../support/raw-http.ts';
import { HandMade, scopes } from './identity-issuer.ts';

const policy = `sharing = "all"\n${rule('allow', ['echo'], 'record = ["text"]')}`;
const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const modern = {
  'Mcp-Protocol-Version': '2026-07-28',
  'Mcp-Method': 'tools/call',
  'Mcp-Name': 'echo',
};
const echo = (text: string): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    id: text,
    method: 'tools/call',
    params: { name: 'echo', arguments: { text: `said ${text}` }, _meta: meta },
  });

describe('several credentials on one connection', () => {
  let issuer: HandMade;
  let daemon: TestDaemon;
  let corp: Authority;
  let mtlsPort: number;
  before(async () => {
    issuer = await HandMade.start();
    mtlsPort = await freePort();
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', policy) },
      prepare: ({ dir }) => {
        if (noOpenssl !== false) return;
        corp = new Authority(join(dir, 'corp'), 'Corp');
        corp.issue('server', { names: 'IP:127.0.0.1', usage: 'serverAuth' });
      },
      daemon: `trusted_proxies = ["127.0.0.1"]\n${
        noOpenssl === false
          ? `[listen.mutual_tls]\nport = ${mtlsPort}\ncert = "$DIR/corp/server.pem"\nkey = "$DIR/corp/server.key"\nclient_ca = "$DIR/corp/ca.pem"\n[listen.mutual_tls.callers]\n"uri:spiffe://corp/agent" = "agent"\n"uri:spiffe://corp/tester" = "tester"\n`
          : ''
      }${issuer.toml('audience = "origin"\n')}`,
    });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });

  const made = (text: string, headers: Record<string, string>): Buffer =>
    postText('/servers/fx/mcp', daemon.port, { ...modern, ...headers }, echo(text));
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
  /** The record of the call with this text. */
  const recordOf = async (text: string): Promise<Record<string, unknown> | undefined> =>
    (await daemon.audit('--since', '1h')).find((it) => JSON.stringify(it).includes(`"said ${text}"`));

  it('requests in one packet are each their own caller’s, and a refused one ends the line', async () => {
    const bob = await daemon.addKey('bob');
    const token = await issuer.token(daemon.url, scopes.destructive);
    const { replies } = await exchange(
      daemon.port,
      Buffer.concat([
        made('mine', bearer(daemon.key)),
        made('bobs', bearer(bob)),
        made('alices', bearer(token)),
        made('nobodys', {}),
        made('after', bearer(daemon.key)),
      ]),
    );
    assert.deepEqual(replies.map(({ status }) => status).slice(0, 4), [200, 200, 200, 401]);
    const records = await Promise.all(['mine', 'bobs', 'alices', 'nobodys'].map(recordOf));
    assert.deepEqual(
      records.map((it) => it?.['caller']),
      ['tester', 'bob', 'corp:alice', undefined],
    );
    const ids = (key: string) => /^mcpd_(\w{8})_/.exec(key)?.[1] ?? '';
    assert.deepEqual(
      records.slice(0, 3).map((it) => it?.['via']),
      [`key ${ids(daemon.key)}`, `key ${ids(bob)}`, 'token of corp'],
    );
    for (const secret of [daemon.key, bob, token]) {
      assert.ok(!daemon.log().includes(secret) && !JSON.stringify(daemon.journal()).includes(secret));
    }
  });

  it('an upgrade, a preface of HTTP/2 and the line of a proxy change nobody’s name', async () => {
    const lines: readonly (readonly [what: string, bytes: Buffer])[] = [
      [
        'h2c',
        made('h2c', {
          Upgrade: 'h2c',
          Connection: 'Upgrade, HTTP2-Settings',
          'HTTP2-Settings': 'AAMAAABkAAQAoAAAAAIAAAAA',
        }),
      ],
      ['websocket', made('ws', { Upgrade: 'websocket', Connection: 'Upgrade' })],
      ['a preface', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
      [
        'PROXY 1',
        Buffer.concat([
          Buffer.from('PROXY TCP4 10.1.2.3 127.0.0.1 5555 80\r\n'),
          made('proxied', bearer(daemon.key)),
        ]),
      ],
      [
        'PROXY 2',
        Buffer.concat([
          Buffer.from('0d0a0d0a000d0a515549540a2111000c0a0102037f00000115b30050', 'hex'),
          made('proxied', bearer(daemon.key)),
        ]),
      ],
    ];
    for (const [what, bytes] of lines) {
      const { replies } = await exchange(daemon.port, bytes);
      assert.ok(
        replies.every(({ status }) => status === 400 || status === 401),
        `${what}: ${replies.map(({ status }) => status).join()}`,
      );
    }
    assert.equal(await recordOf('proxied'), undefined);
  });

  it('an address that a client claims is recorded only as far as its proxy vouches for it', async () => {
    const cases: readonly (readonly [what: string, headers: Record<string, string>, remote: string])[] = [
      ['none', {}, '127.0.0.1'],
      ['one', { 'X-Forwarded-For': '203.0.113.9' }, '203.0.113.9'],
      ['forged', { 'X-Forwarded-For': '6.6.6.6, 203.0.113.9' }, '203.0.113.9'],
      ['ours', { 'X-Forwarded-For': '203.0.113.9, 127.0.0.1' }, '203.0.113.9'],
      ['words', { 'X-Forwarded-For': '203.0.113.9, evil"\\n' }, '127.0.0.1'],
      ['zone', { 'X-Forwarded-For': `fe80::1%${'z'.repeat(200)}` }, 'fe80::1'],
      ['other', { Forwarded: 'for=203.0.113.9', 'X-Real-IP': '203.0.113.9' }, '127.0.0.1'],
      ['padded', { 'X-Forwarded-For': ` ,, 203.0.113.9:8080 ` }, '203.0.113.9'],
    ];
    for (const [what, headers, remote] of cases) {
      const { replies } = await exchange(
        daemon.port,
        made(what, { ...bearer(daemon.key), Connection: 'close', ...headers }),
      );
      assert.equal(replies[0]?.status, 200, what);
      assert.equal((await recordOf(what))?.['remote'], remote, what);
    }
  });

  it('no name in an address gets into the challenge', async () => {
    for (const path of [
      '/servers/fx%22,error=%22/mcp',
      '/servers/fx"x/mcp',
      '/mcp?servers=fx",x="',
      '/mcp?servers=fx&profile=y',
      '/servers/fx/mcp?x="y',
    ]) {
      const { replies } = await exchange(
        daemon.port,
        Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${daemon.port}\r\nConnection: close\r\n\r\n`),
      );
      const [reply] = replies;
      assert.equal(reply?.status, 401, path);
      const challenge = header(reply, 'www-authenticate') ?? '';
      assert.match(
        challenge,
        /^Bearer realm="mcpd", scope="mcp:read", resource_metadata="http:\/\/127\.0\.0\.1:\d+\/\.well-known\/oauth-protected-resource(\/mcp|\/servers\/fx\/mcp)"$/,
        path,
      );
    }
  });

  const speak = (client: Pair | undefined, more: object = {}): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({
        port: mtlsPort,
        host: '127.0.0.1',
        ca: readFileSync(corp.cert),
        ...(client === undefined ? {} : { cert: readFileSync(client.cert), key: readFileSync(client.key) }),
        ...more,
      });
      socket.once('secureConnect', () => resolve(socket));
      socket.once('error', reject);
    });
  const answer = (socket: TLSSocket, bytes: Buffer): Promise<number> =>
    new Promise((resolve, reject) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
        if (status !== undefined) resolve(Number(status));
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed')));
      socket.write(bytes);
    });
  const overMtls = (text: string, headers: Record<string, string>): Buffer =>
    postText('/servers/fx/mcp', mtlsPort, { ...modern, ...headers }, echo(text));

  it(
    'a certificate and a bearer are one caller, or nobody, and both are on record',
    { skip: noOpenssl },
    async () => {
      const agent = corp.issue('agent', { names: 'URI:spiffe://corp/agent' });
      const tester = corp.issue('tester', { names: 'URI:spiffe://corp/tester' });
      const token = await issuer.token(daemon.url, scopes.destructive, { sub: 'agent' });
      const tries: readonly (readonly [
        text: string,
        client: Pair,
        headers: Record<string, string>,
        status: number,
      ])[] = [
        ['cert', agent, {}, 200],
        ['cert-key', agent, bearer(daemon.key), 401],
        ['cert-token', agent, bearer(token), 401],
        ['cert-basic', agent, { Authorization: 'Basic Og==' }, 401],
        ['cert-both', tester, bearer(daemon.key), 200],
        ['cert-forwarded', agent, { 'X-Forwarded-For': '203.0.113.9' }, 200],
      ];
      for (const [text, client, headers, status] of tries) {
        const socket = await speak(client);
        assert.equal(await answer(socket, overMtls(text, headers)), status, text);
        socket.destroy();
      }
      const [alone, both, forwarded] = await Promise.all(
        ['cert', 'cert-both', 'cert-forwarded'].map(recordOf),
      );
      assert.match(String(alone?.['via']), /^certificate [0-9a-f]{12}$/);
      assert.match(String(both?.['via']), /^key \w{8} with certificate [0-9a-f]{12}$/);
      assert.equal(forwarded?.['remote'], '127.0.0.1', 'nobody vouches for an address on this port');
    },
  );

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    it(`a session of ${version} is not resumed without its certificate`, { skip: noOpenssl }, async () => {
      const agent = corp.issue(`agent-${version}`, { names: 'URI:spiffe://corp/agent' });
      const limits = { minVersion: version, maxVersion: version };
      const first = await speak(agent, limits);
      let session: Buffer | undefined = first.getSession();
      first.on('session', (it: Buffer) => (session = it));
      assert.equal(await answer(first, overMtls('resumed-1', {})), 200);
      first.destroy();
      let status: number | string;
      try {
        const second = await speak(undefined, { ...limits, session });
        assert.equal(second.isSessionReused(), false);
        status = await answer(second, overMtls('resumed-2', {})).catch(() => 'refused');
        second.destroy();
      } catch {
        status = 'refused';
      }
      assert.equal(status, 'refused');
    });

  it(
    'plain HTTP and a client that speaks HTTP/2 alone get nothing from the TLS port',
    { skip: noOpenssl },
    async () => {
      const agent = corp.issue('agent-alpn', { names: 'URI:spiffe://corp/agent' });
      await assert.rejects(speak(agent, { ALPNProtocols: ['h2'] }));
      const plain = await new Promise<string>((resolve) => {
        const socket = connect(mtlsPort, '127.0.0.1');
        let text = '';
        socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
        socket.on('error', () => undefined);
        socket.on('close', () => resolve(text));
        socket.write(overMtls('plain', bearer(daemon.key)));
      });
      assert.doesNotMatch(plain, /HTTP\/1\.1 200/);
      assert.equal(await recordOf('plain'), undefined);
      await until(
        'the daemon still answers',
        async () => (await fetch(`${daemon.url}/healthz`)).status === 200,
      );
    },
  );
});
