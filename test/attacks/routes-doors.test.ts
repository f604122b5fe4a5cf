// The other ways in: a Unix socket on which users are known by their uid, and a listener for clients with certificates.
// Every route of either, with everything that is not good enough.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { routes } from '../../src/front/routes.ts';
import { freePort, projectRoot, run, readOr, serving, TestDaemon, until } from '../support/daemon.ts';
import { ask, never, nextAddress, tellsNothing, type Door } from './stranger.ts';

const open = '[[rule]]\nname = "all"\nverdict = "allow"\ntools = ["*"]\n';
const closed = routes.filter(({ wants, where }) => wants === 'credential' && where === 'always');
const pathOf = (shape: string) => shape.replace('NAME', 'fx');
const servers = { fx: serving('answers', `sharing = "all"\n[env]\nFX_RAW = "$DIR/fx.raw"\n${open}`) };
const heard = (daemon: TestDaemon) => readOr(join(daemon.dir, 'fx.raw'), '');
const bearer = (key: string) => [`Authorization: Bearer ${key}`];

/** Why these lines cannot be tried: mcpd.toml may not say so. False: it may. */
async function refused(lines: string): Promise<string | false> {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-accepts-'));
  try {
    mkdirSync(join(dir, 'servers'));
    writeFileSync(join(dir, 'mcpd.toml'), `[listen]\n${lines}`, { mode: 0o600 });
    const launcher = join(projectRoot, 'src', 'launch.cjs');
    const { stdout, stderr } = await run(process.execPath, [launcher, 'check', '--policies', dir], {
      PATH: process.env['PATH'],
      MCPD_STATE_DIR: join(dir, 'state'),
    });
    const why = /unknown key "(mutual_tls|socket)"/.exec(stdout + stderr)?.[0];
    return why === undefined ? false : `this cannot be configured yet: ${why}`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const me = process.getuid?.() ?? 0;
const noSocket = await refused('[listen.socket]\npath = "/tmp/x.sock"\n');

describe('over a Unix socket', { skip: noSocket }, () => {
  let daemon: TestDaemon;
  let door: Door;
  before(async () => {
    daemon = await TestDaemon.start({
      servers,
      // Somebody has leave to come in, and it is not whoever runs this.
      daemon: `[listen.socket]\npath = "$DIR/users/mcpd.sock"\n[listen.socket.users]\n"${me + 60_000}" = "tester"\n`,
      prepare: ({ dir }) => mkdirSync(join(dir, 'users'), { mode: 0o700 }),
    });
    const path = join(daemon.dir, 'users', 'mcpd.sock');
    door = { host: 'localhost', ready: 'connect', open: () => connect({ path }) };
  });
  after(() => daemon[Symbol.asyncDispose]());

  it('a user who is nobody needs a key at every route, whatever else is said', async () => {
    for (const { shape } of closed)
      for (const headers of [
        [],
        bearer('x'),
        bearer(`${me + 60_000}`),
        ['X-Forwarded-User: tester'],
        ['X-Remote-Uid: 0'],
      ])
        for (const method of ['GET', 'POST']) {
          const reply = await ask(door, method, pathOf(shape), { headers });
          assert.equal(reply.status, 401, `${method} ${shape} ${headers.join()}: ${reply.body}`);
          tellsNothing(shape, reply);
        }
    assert.ok(!heard(daemon).includes(never));
    const reply = await ask(door, 'POST', '/servers/fx/mcp', { headers: bearer(daemon.key) }, 'with-a-key');
    assert.equal(reply.status, 200, reply.body);
    assert.ok(heard(daemon).includes('with-a-key'));
  });

  it('the user of the socket counts for nothing on the port', async () => {
    const { status } = await ask(daemon.port, 'POST', '/servers/fx/mcp', { headers: [] });
    assert.equal(status, 401);
  });
});

const noOpenssl = spawnSync('openssl', ['version']).status !== 0 && 'needs openssl';
const noMutualTls =
  noOpenssl ||
  (await refused(
    '[listen.mutual_tls]\nport = 8378\ncert = "c"\nkey = "k"\nclient_ca = "ca"\n[listen.mutual_tls.callers]\n"dns:a.example" = "a"\n',
  ));

describe('over mutual TLS', { skip: noMutualTls }, () => {
  let daemon: TestDaemon;
  let port: number;
  let dir: string;
  before(async () => {
    port = await freePort();
    dir = mkdtempSync(join(tmpdir(), 'mcpd-tls-'));
    for (const ca of ['ca', 'other-ca']) issue(ca, `/CN=${ca}`, 'basicConstraints=critical,CA:TRUE');
    issue('server', '/CN=localhost', 'subjectAltName=IP:127.0.0.1', 'ca');
    issue('agent', '/CN=agent', 'subjectAltName=DNS:agent.example\nextendedKeyUsage=clientAuth', 'ca');
    issue(
      'stranger',
      '/CN=agent.example',
      'subjectAltName=DNS:x.agent.example\nextendedKeyUsage=clientAuth',
      'ca',
    );
    issue('forged', '/CN=agent', 'subjectAltName=DNS:agent.example\nextendedKeyUsage=clientAuth', 'other-ca');
    daemon = await TestDaemon.start({
      servers,
      daemon: `[listen.mutual_tls]
port = ${port}
cert = "${dir}/server.pem"
key = "${dir}/server.key"
client_ca = "${dir}/ca.pem"
[listen.mutual_tls.callers]
"dns:agent.example" = "tester"
`,
    });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  /** A key pair and a certificate with these extensions, signed by one that was issued before, or by itself. */
  function issue(name: string, subject: string, extensions: string, by?: string): void {
    const at = (file: string) => join(dir, file);
    writeFileSync(at(`${name}.ext`), `${extensions}\n`);
    execFileSync('openssl', [
      'ecparam',
      '-name',
      'prime256v1',
      '-genkey',
      '-noout',
      '-out',
      at(`${name}.key`),
    ]);
    execFileSync('openssl', [
      'req',
      '-new',
      '-key',
      at(`${name}.key`),
      '-subj',
      subject,
      '-out',
      at(`${name}.csr`),
    ]);
    const signer =
      by === undefined
        ? ['-signkey', at(`${name}.key`)]
        : ['-CA', at(`${by}.pem`), '-CAkey', at(`${by}.key`), '-CAcreateserial'];
    execFileSync(
      'openssl',
      [
        'x509',
        '-req',
        '-in',
        at(`${name}.csr`),
        '-days',
        '2',
        '-extfile',
        at(`${name}.ext`),
        ...signer,
        '-out',
        at(`${name}.pem`),
      ],
      { stdio: 'ignore' },
    );
    execFileSync('chmod', ['600', at(`${name}.key`)]);
  }

  const as = (name: string | undefined): Door => ({
    host: `127.0.0.1:${port}`,
    ready: 'secureConnect',
    open: () =>
      connectTls({
        port,
        host: '127.0.0.1',
        ca: readFileSync(join(dir, 'ca.pem')),
        ...(name === undefined
          ? {}
          : { cert: readFileSync(join(dir, `${name}.pem`)), key: readFileSync(join(dir, `${name}.key`)) }),
        ...nextAddress(),
      }),
  });

  it('who shows no certificate, or one of another issuer, gets no answer at any route', async () => {
    for (const { shape } of routes.filter(({ where }) => where === 'always'))
      for (const name of [undefined, 'forged'])
        await assert.rejects(
          ask(as(name), 'GET', pathOf(shape), { headers: bearer(daemon.key) }),
          /no response/,
          `${shape} ${name}`,
        );
  });

  it('who shows one that nobody is mapped to is refused at every route, whatever headers say', async () => {
    for (const { shape } of closed)
      for (const headers of [
        [],
        ['X-Client-Cert: CN=agent'],
        ['X-SSL-Client-Verify: SUCCESS', 'X-SSL-Client-S-DN: CN=agent'],
        ['X-Forwarded-Client-Cert: DNS=agent.example'],
        bearer('x'),
      ])
        for (const method of ['GET', 'POST', 'DELETE']) {
          const reply = await ask(as('stranger'), method, pathOf(shape), { headers });
          assert.equal(reply.status, 401, `${method} ${shape} ${headers.join()}: ${reply.body}`);
          tellsNothing(shape, reply);
        }
  });

  it('a good certificate does not make up for a bad key, nor for one of somebody else', async () => {
    const other = await daemon.addKey('other');
    for (const headers of [
      bearer('x'),
      bearer(other),
      bearer(`${daemon.key}x`),
      ['Authorization: Basic Og=='],
    ])
      assert.equal(
        (await ask(as('agent'), 'POST', '/servers/fx/mcp', { headers })).status,
        401,
        headers.join(),
      );
    assert.ok(!heard(daemon).includes(never));
    for (const headers of [[], bearer(daemon.key)]) {
      const reply = await ask(as('agent'), 'POST', '/servers/fx/mcp', { headers }, `agent-${headers.length}`);
      assert.equal(reply.status, 200, reply.body);
      await until('it is heard', () => heard(daemon).includes(`agent-${headers.length}`));
    }
  });

  it('headers that speak of certificates count for nothing on the plain port', async () => {
    for (const header of ['X-Client-Cert: CN=agent', 'X-SSL-Client-Verify: SUCCESS', 'Client-Cert: :MIIB:'])
      assert.equal((await ask(daemon.port, 'POST', '/servers/fx/mcp', { headers: [header] })).status, 401);
  });
});
