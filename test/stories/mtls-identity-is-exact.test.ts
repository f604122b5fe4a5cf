// On the listener for certificates, a caller is who its certificate says, exactly; nowhere else does one count.
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Authority, noOpenssl, type Pair } from '../front/certificates.ts';
import { freePort, initialize, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { ask, begin, call } from './https.ts';

describe('mTLS identity is exact', { skip: noOpenssl }, () => {
  let daemon: TestDaemon;
  let corp: Authority;
  let port: number;
  let own: Pair;
  before(async () => {
    port = await freePort();
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', rule('allow', ['echo'], 'callers = ["agent"]')) },
      prepare: ({ dir }) => {
        corp = new Authority(join(dir, 'corp'), 'Corp');
        own = corp.issue('server', { names: 'IP:127.0.0.1', usage: 'serverAuth' });
      },
      daemon: [
        '[listen.mutual_tls]',
        `port = ${port}`,
        'cert = "$DIR/corp/server.pem"',
        'key = "$DIR/corp/server.key"',
        'client_ca = "$DIR/corp/ca.pem"',
        'crl = "$DIR/corp/crl.pem"',
        '[listen.mutual_tls.callers]',
        '"uri:spiffe://corp/agent" = "agent"',
        '"subject:CN=ops,O=Corp" = "ops"',
        '"dns:tester.corp.example" = "tester"',
        '',
      ].join('\n'),
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const at = (client: Pair | undefined, headers: Record<string, string> = {}) => ({
    port,
    path: '/servers/fx/mcp',
    ca: corp.cert,
    headers,
    ...(client === undefined ? {} : { client }),
  });
  const status = async (client: Pair | undefined, headers: Record<string, string> = {}) =>
    (await ask({ ...at(client, headers), body: initialize() })).status;

  it('a mapped certificate is its caller, under the policy of that caller and on record with its name', async () => {
    const client = corp.issue('agent', { names: 'URI:spiffe://corp/agent' });
    const id = await begin(at(client));
    const answer = await ask({
      ...at(client, { 'mcp-session-id': id }),
      body: call('echo', { text: 'hello' }),
    });
    assert.match(answer.text, /hello/);
    const records = await daemon.audit('--since', '1h');
    assert.equal(records.at(-1)?.['caller'], 'agent');
    const ops = corp.issue('ops', { subject: '/O=Corp/CN=ops' });
    assert.equal(await status(ops), 404, 'known, and nothing is open to it');
  });

  const strangers: readonly (readonly [string, object])[] = [
    ['a name that is not mapped', { names: 'URI:spiffe://corp/other' }],
    ['a name that begins like a mapped one', { names: 'URI:spiffe://corp/agent/x' }],
    ['a star', { names: 'DNS:*.corp.example' }],
    ['a common name that looks like a mapped name', { subject: '/CN=spiffe:agent' }],
    ['a common name alone', { subject: '/CN=ops' }],
    ['one part that is written like two', { subject: '/CN=ops,O=Corp' }],
    ['names of two callers', { names: 'URI:spiffe://corp/agent,DNS:tester.corp.example' }],
  ];
  for (const [at_, [what, wanted]] of strangers.entries())
    it(`a certificate with ${what} is nobody's`, async () => {
      assert.equal(await status(corp.issue(`stranger${at_}`, wanted)), 401);
    });

  it('a certificate and a key are of one caller, or nobody comes in', async () => {
    const tester = corp.issue('tester', { names: 'DNS:tester.corp.example' });
    const agent = corp.issue('agent2', { names: 'URI:spiffe://corp/agent' });
    const key = { authorization: `Bearer ${daemon.key}` };
    assert.equal(await status(tester, key), 404, 'known, and nothing is open to it');
    assert.equal(await status(agent, key), 401);
    assert.equal(await status(agent, { authorization: 'Bearer mcpd_AAAAAAAA_x' }), 401);
  });

  it('without a certificate there is no connection, and a key does not help', async () => {
    await assert.rejects(status(undefined, { authorization: `Bearer ${daemon.key}` }));
  });

  it('on the plain port, headers that speak of certificates are nothing', async () => {
    for (const name of [
      'x-client-cert',
      'x-ssl-client-verify',
      'x-ssl-client-s-dn',
      'x-forwarded-client-cert',
      'ssl-client-cert',
    ]) {
      const plain = {
        port: daemon.port,
        path: '/servers/fx/mcp',
        headers: { [name]: 'URI=spiffe://corp/agent' },
      };
      assert.equal((await ask({ ...plain, body: initialize() })).status, 401, name);
    }
  });

  it('a certificate that is taken back is out once the list says so; a broken list changes nothing and is told', async () => {
    const leaver = corp.issue('leaver', { names: 'URI:spiffe://corp/agent' });
    const stayer = corp.issue('stayer', { names: 'URI:spiffe://corp/agent' });
    assert.equal(await status(leaver), 200);
    corp.revoke(leaver);
    await daemon.ctl('reload');
    await assert.rejects(status(leaver));
    assert.equal(await status(stayer), 200);
    writeFileSync(corp.crl, 'nonsense');
    await until('the status says so', async () =>
      JSON.stringify(await daemon.ctl('status')).includes('old certificates stay'),
    );
    assert.equal(await status(stayer), 200);
    await assert.rejects(status(leaver));
    corp.list();
    await until(
      'the status is well',
      async () => !JSON.stringify(await daemon.ctl('status')).includes('old certificates'),
    );
  });

  it('a new certificate of the daemon comes in without a restart', async () => {
    const fresh = corp.issue('fresh', { subject: '/CN=fresh', names: 'IP:127.0.0.1', usage: 'serverAuth' });
    copyFileSync(fresh.key, own.key);
    copyFileSync(fresh.cert, own.cert);
    await daemon.ctl('reload');
    const { connect } = await import('node:tls');
    const subject = await new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.subject);
        socket.destroy();
      });
      socket.on('error', reject);
    });
    assert.equal(subject, 'CN=fresh');
  });
});
