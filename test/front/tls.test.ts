import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Credentials } from '../../src/domain/caller.ts';
import { certificatePeers } from '../../src/front/certificate-peers.ts';
import { TlsDoor, type TlsFiles } from '../../src/front/tls.ts';
import { Authority, noOpenssl, type Pair } from './certificates.ts';

describe('certificates', { skip: noOpenssl }, () => {
  let dir: string;
  let corp: Authority;
  let evil: Authority;
  let files: TlsFiles;
  let door: TlsDoor;
  let server: Server;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mcpd-tls-'));
    corp = new Authority(join(dir, 'corp'), 'Corp');
    evil = new Authority(join(dir, 'evil'), 'Corp');
    const own = corp.issue('server', { names: 'IP:127.0.0.1,DNS:localhost', usage: 'serverAuth' });
    files = { ...own, clientCa: corp.cert, crl: corp.crl };
    door = new TlsDoor(files);
    const peers = certificatePeers((socket) => door.isStale(socket));
    server = createServer(door.options, (req, res) => res.end(JSON.stringify(peers.credentials(req))));
    door.guard(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    server.close();
    server.closeAllConnections();
    rmSync(dir, { recursive: true });
  });

  const port = () => (server.address() as AddressInfo).port;
  const pair = (client: Pair | undefined): ConnectionOptions =>
    client === undefined ? {} : { cert: readFileSync(client.cert), key: readFileSync(client.key) };

  /** What the listener knows of a client, or that the handshake was refused. */
  const known = (
    client: Pair | undefined,
    more: ConnectionOptions & { agent?: Agent } = {},
  ): Promise<Credentials | 'refused'> =>
    new Promise((resolve) => {
      const options = { host: '127.0.0.1', port: port(), ca: readFileSync(corp.cert), agent: false as const };
      const req = request({ ...options, ...pair(client), ...more }, (res) => {
        let text = '';
        res.on('data', (chunk: Buffer) => (text += chunk.toString()));
        res.on('end', () => resolve(JSON.parse(text) as Credentials));
      });
      req.on('error', () => resolve('refused'));
      req.end();
    });

  it('a certificate of the right issuer is known by all its names', async () => {
    const names = 'URI:spiffe://corp/agent,DNS:Agent.corp.example,email:agent@corp.example';
    const credentials = await known(corp.issue('agent', { subject: '/O=Corp/CN=agent', names }));
    assert.ok(credentials !== 'refused' && credentials.kind === 'certificate');
    assert.deepEqual(credentials.certificate.names, [
      'uri:spiffe://corp/agent',
      'dns:agent.corp.example',
      'email:agent@corp.example',
      'subject:CN=agent,O=Corp',
    ]);
    assert.match(credentials.certificate.sha256, /^[0-9a-f]{64}$/);
    assert.ok(credentials.certificate.untilMs > Date.now());
    assert.deepEqual(credentials.and, { kind: 'none' });
  });

  it('a subject cannot pretend to have more parts than it has', async () => {
    const credentials = await known(corp.issue('comma', { subject: '/CN=agent,O=Corp' }));
    assert.ok(credentials !== 'refused' && credentials.kind === 'certificate');
    assert.deepEqual(credentials.certificate.names, [String.raw`subject:CN=agent\,O=Corp`]);
  });

  it('headers that speak of certificates say nothing', async () => {
    const headers = {
      'x-client-cert': 'CN=root',
      'x-ssl-client-verify': 'SUCCESS',
      'x-forwarded-client-cert': 'x',
    };
    const plain = await known(corp.issue('plain'), {});
    const spoofed = await known(corp.issue('plain2'), { headers } as object);
    assert.ok(plain !== 'refused' && plain.kind === 'certificate');
    assert.ok(spoofed !== 'refused' && spoofed.kind === 'certificate');
    assert.deepEqual(spoofed.certificate.names, ['subject:CN=plain2']);
  });

  const refused: readonly (readonly [string, () => Pair | undefined])[] = [
    ['no certificate', () => undefined],
    [
      'a certificate of another issuer with the same name',
      () => evil.issue('agent', { names: 'URI:spiffe://corp/agent' }),
    ],
    ['one that ran out', () => corp.issue('old', { from: '20200101000000Z', to: '20210101000000Z' })],
    [
      'one that is not valid yet',
      () => corp.issue('early', { from: '20400101000000Z', to: '20410101000000Z' }),
    ],
    ['one for servers', () => corp.issue('wrong-use', { usage: 'serverAuth' })],
  ];
  for (const [what, make] of refused)
    it(`${what} is refused in the handshake`, async () => {
      assert.equal(await known(make()), 'refused');
    });

  it('TLS 1.2 and 1.3 are spoken, and nothing older', async () => {
    const client = corp.issue('versions');
    const old = { ciphers: 'ALL@SECLEVEL=0' };
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
      assert.notEqual(await known(client, { minVersion: version, maxVersion: version }), 'refused', version);
    for (const version of ['TLSv1', 'TLSv1.1'] as const)
      assert.equal(
        await known(client, { ...old, minVersion: version, maxVersion: version }),
        'refused',
        version,
      );
  });

  it('a certificate that is taken back is out: on new connections, and on standing ones', async () => {
    const client = corp.issue('leaver');
    const other = corp.issue('stayer');
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ...pair(client), ca: readFileSync(corp.cert) });
    assert.notEqual(await known(undefined, { agent }), 'refused');
    corp.revoke(client);
    assert.equal(door.reload(), 'new');
    assert.equal(await known(client), 'refused');
    assert.equal(await known(undefined, { agent }), 'refused');
    assert.notEqual(await known(other), 'refused');
    agent.destroy();
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    it(`every connection shows its certificate: no session of ${version} is resumed`, async () => {
      const client = corp.issue(`resumes-${version}`);
      const open = async (session?: Buffer) => {
        const sessions: Buffer[] = [];
        const socket = connect({
          host: '127.0.0.1',
          port: port(),
          ca: readFileSync(corp.cert),
          minVersion: version,
          maxVersion: version,
          ...(session === undefined ? {} : { session }),
          ...pair(client),
        });
        socket.on('session', (it: Buffer) => sessions.push(it));
        await once(socket, 'secureConnect');
        const reused = socket.isSessionReused();
        socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
        await once(socket, 'data');
        const own = sessions[0] ?? socket.getSession();
        socket.destroy();
        return { session: own, reused };
      };
      const first = await open();
      assert.equal((await open(first.session)).reused, false);
    });

  it('a connection that was busy when the list changed is not served again', async () => {
    const client = corp.issue('busy');
    const socket = connect({ host: '127.0.0.1', port: port(), ca: readFileSync(corp.cert), ...pair(client) });
    await once(socket, 'secureConnect');
    // Half a request: the connection is not idle, so it is not closed at once.
    socket.write('GET / HTTP/1.1\r\n');
    await known(client);
    corp.list();
    assert.equal(door.reload(), 'new');
    socket.write('host: x\r\nconnection: close\r\n\r\n');
    assert.match(await all(socket), /malformed/);
  });

  it('bad files are kept out, and what was in force goes on; good ones come in', async () => {
    const client = corp.issue('still');
    const keep = [files.cert, files.key, files.crl as string].map((it) => [it, readFileSync(it)] as const);
    const restore = () => keep.forEach(([path, bytes]) => writeFileSync(path, bytes));
    const spoilers: readonly (readonly [string, () => void])[] = [
      ['an empty certificate', () => writeFileSync(files.cert, '')],
      ['half a certificate', () => writeFileSync(files.cert, readFileSync(files.cert).subarray(0, 300))],
      ['the key of another', () => copyFileSync(evil.issue('x').key, files.key)],
      ['a key that others can read', () => chmodSync(files.key, 0o644)],
      ['no key', () => rmSync(files.key)],
      ['a list that is none', () => writeFileSync(files.crl as string, 'nonsense')],
      ['no issuers', () => writeFileSync(files.clientCa as string, '# none\n')],
    ];
    const ca = readFileSync(corp.cert);
    for (const [what, spoil] of spoilers) {
      spoil();
      assert.equal(door.reload(), 'kept', what);
      assert.equal(door.fault?.code, 'CONFIG_INVALID', what);
      writeFileSync(corp.cert, ca);
      assert.notEqual(await known(client), 'refused', what);
      restore();
      chmodSync(files.key, 0o600);
      assert.equal(door.reload(), 'same', what);
      assert.equal(door.fault, undefined);
    }
    const fresh = corp.issue('renewed', {
      subject: '/CN=renewed',
      names: 'IP:127.0.0.1',
      usage: 'serverAuth',
    });
    copyFileSync(fresh.cert, files.cert);
    assert.equal(door.reload(), 'kept', 'the certificate is new, and its key is not there yet');
    copyFileSync(fresh.key, files.key);
    assert.equal(door.reload(), 'new');
    const socket = connect({ host: '127.0.0.1', port: port(), ca: readFileSync(corp.cert), ...pair(client) });
    await once(socket, 'secureConnect');
    assert.equal(socket.getPeerX509Certificate()?.subject, 'CN=renewed');
    socket.destroy();
  });

  it('without one good issuer there is no listener: not even the world is trusted', () => {
    const empty = join(dir, 'empty.pem');
    writeFileSync(empty, '');
    assert.throws(() => new TlsDoor({ ...files, clientCa: empty }), {
      code: 'CONFIG_INVALID',
      hint: /openssl/,
    });
  });

  it('a listener that speaks plain text is not taken for one with certificates', async () => {
    const { createServer: plain } = await import('node:http');
    assert.throws(() => new TlsDoor(files).guard(plain()), { code: 'BUG' });
  });
});

function once(socket: TLSSocket, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve());
    socket.once('error', reject);
  });
}

function all(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
  });
}
