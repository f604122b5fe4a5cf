// The front speaks TLS where the owner says so, nothing else on that port, and takes new certificates without a restart.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { Authority, noOpenssl, type Pair } from '../front/certificates.ts';
import { projectRoot, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { exchange } from '../support/raw-http.ts';
import { ask, begin, call } from './https.ts';

describe('TLS takes new certificates', { skip: noOpenssl }, () => {
  let daemon: TestDaemon;
  let corp: Authority;
  let own: Pair;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', rule('allow', ['*'])) },
      prepare: ({ dir }) => {
        corp = new Authority(join(dir, 'corp'), 'Corp');
        own = corp.issue('server', { names: 'IP:127.0.0.1', usage: 'serverAuth' });
      },
      daemon: 'tls = { cert = "$DIR/corp/server.pem", key = "$DIR/corp/server.key" }\n',
      boot: false,
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const launch = () =>
    spawn(process.execPath, [join(projectRoot, 'src', 'launch.cjs'), 'run', '--policies', daemon.policies], {
      env: daemon.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const at = (headers: Record<string, string> = {}) => ({
    port: daemon.port,
    path: '/servers/fx/mcp',
    ca: corp.cert,
    headers: { authorization: `Bearer ${daemon.key}`, ...headers },
  });
  const subject = () =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: daemon.port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.subject);
        socket.destroy();
      });
      socket.on('error', reject);
    });

  it('a key that others can read keeps the daemon from starting, with the command that mends it', async () => {
    chmodSync(own.key, 0o640);
    const child = launch();
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stdout.resume();
    const code = await new Promise((resolve) => child.on('exit', resolve));
    assert.notEqual(code, 0);
    assert.match(said, /chmod 600 .*server\.key/);
    chmodSync(own.key, 0o600);
  });

  it('calls come in over HTTPS, and the daemon says so', async () => {
    const child = launch();
    daemon.child = child;
    child.stdout.on('data', (chunk: Buffer) => (daemon.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (daemon.output += chunk.toString()));
    await until('the daemon is ready', async () => {
      if (child.exitCode !== null) throw new Error(daemon.output);
      const ready = await ask({ ...at(), path: '/readyz', method: 'GET' }).catch(() => undefined);
      return ready?.text.includes('"ready"') === true;
    });
    const id = await begin(at());
    const answer = await ask({ ...at({ 'mcp-session-id': id }), body: call('echo', { text: 'hello' }) });
    assert.match(answer.text, /hello/);
    await until('it has greeted', () => daemon.output.includes(`https://127.0.0.1:${daemon.port}`));
  });

  it('plain HTTP, garbage and half a handshake get no answer, and are hung up on', async () => {
    const hello = Buffer.from('160301020001000000', 'hex');
    for (const bytes of ['GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n', '\0\0\0\0\0\0\0\0', hello]) {
      const { received, closed } = await exchange(daemon.port, bytes);
      assert.ok(closed);
      assert.doesNotMatch(received.toString('latin1'), /HTTP/);
    }
  });

  it('a new certificate is found by itself; a bad one is told and not used', async () => {
    const fresh = corp.issue('fresh', { subject: '/CN=fresh', names: 'IP:127.0.0.1', usage: 'serverAuth' });
    const id = await begin(at());
    copyFileSync(fresh.cert, own.cert);
    const says = async () =>
      JSON.stringify(await daemon.ctl('status')).includes('the old certificates stay in force');
    await until('the status says that they do not fit', says);
    assert.equal(await subject(), 'CN=server');
    copyFileSync(fresh.key, own.key);
    await until('the new one is shown', async () => (await subject()) === 'CN=fresh');
    assert.equal(await says(), false);
    writeFileSync(own.cert, '');
    await daemon.ctl('reload');
    assert.equal(await says(), true);
    const answer = await ask({ ...at({ 'mcp-session-id': id }), body: call('echo', { text: 'still' }) });
    assert.match(answer.text, /still/, 'sessions are not ended by it');
  });
});
