import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadDaemon, said } from './scratch.ts';

const tls = 'cert = "tls/cert.pem"\nkey = "/etc/tls/key.pem"\n';
const mutual = (callers: string, more = '') =>
  `[listen.mutual_tls]\nport = 8444\n${tls}client_ca = "ca.pem"\n${more}[listen.mutual_tls.callers]\n${callers}\n`;

test('without a word of it there is no TLS, no proxy and no other socket', (t) => {
  const loaded = loadDaemon(t, '[listen]\nport = 8377\n');
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const { tls: own, mutualTls, trustedProxies, socket } = loaded.daemon.listen;
  assert.deepEqual([own, mutualTls, trustedProxies], [undefined, undefined, []]);
  assert.deepEqual(socket, { path: undefined, mode: 0o600, users: [] });
});

test('paths are counted from the folder of mcpd.toml, and names are kept as they are', (t) => {
  const loaded = loadDaemon(
    t,
    `[listen]\ntrusted_proxies = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]\n[listen.tls]\n${tls}[listen.socket]\npath = "/run/x.sock"\nmode = "0660"\n[listen.socket.users]\nalice = "a"\n"1007" = "b"\n${mutual('"uri:spiffe://corp/agent" = "agent"\n"subject:CN=ops,O=Corp" = "ops"')}`,
  );
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const { tls: own, mutualTls, trustedProxies, socket } = loaded.daemon.listen;
  assert.match(own?.cert ?? '', /mcpd-config-\w+\/tls\/cert\.pem$/);
  assert.equal(own?.key, '/etc/tls/key.pem');
  assert.deepEqual(mutualTls?.callers, [
    ['uri:spiffe://corp/agent', 'agent'],
    ['subject:CN=ops,O=Corp', 'ops'],
  ]);
  assert.deepEqual([mutualTls.host, mutualTls.crl], ['127.0.0.1', undefined]);
  assert.equal(trustedProxies.length, 3);
  assert.deepEqual(socket.path, '/run/x.sock');
  assert.equal(socket.mode, 0o660);
  assert.deepEqual(
    new Map(socket.users),
    new Map([
      ['alice', 'a'],
      ['1007', 'b'],
    ]),
  );
});

test('keys travel encrypted where there is TLS, so nothing is said about it', (t) => {
  const warned = (more: string) => said(loadDaemon(t, `[listen]\nhost = "0.0.0.0"\n${more}`)).join('\n');
  assert.match(warned(''), /unencrypted/);
  assert.doesNotMatch(warned(`[listen.tls]\n${tls}`), /unencrypted/);
});

test('a listener for certificates that nobody has lets nobody in, and is told', (t) => {
  const loaded = loadDaemon(t, mutual(''));
  assert.ok(loaded.ok);
  assert.match(said(loaded).join('\n'), /nobody has a certificate/);
});

const refused: readonly (readonly [string, string])[] = [
  ['a star in a name', mutual('"dns:*.corp.example" = "x"')],
  ['a name without its kind', mutual('"agent" = "x"')],
  ['an unknown kind', mutual('"cn:agent" = "x"')],
  ['an empty name', mutual('"dns:" = "x"')],
  ['a host name in capitals, which none is compared with', mutual('"dns:Agent" = "x"')],
  ['a subject that is no subject', mutual('"subject:agent" = "x"')],
  ['a certificate for anyone', mutual('"dns:a" = "anyone"')],
  ['a caller that is no name', mutual('"dns:a" = "a b"')],
  ['two listeners on one port', mutual('"dns:a" = "a"').replace('8444', '8377')],
  ['a certificate without its key', '[listen.tls]\ncert = "a.pem"\n'],
  ['an unknown key', `[listen.tls]\n${tls}ca = "x"\n`],
  ['a proxy by name', '[listen]\ntrusted_proxies = ["localhost"]\n'],
  ['a network that is none', '[listen]\ntrusted_proxies = ["10.0.0.0/33"]\n'],
  ['an address that is none', '[listen]\ntrusted_proxies = ["10.0.0.256"]\n'],
  ['everybody as a proxy, by a star', '[listen]\ntrusted_proxies = ["*"]\n'],
  ['a socket that is not absolute', '[listen.socket]\npath = "x.sock"\n'],
  ['a mode that lets others in by accident', '[listen.socket]\nmode = "0777"\n'],
  ['a user that is none', '[listen.socket.users]\n"a b" = "x"\n'],
  ['a user who would be anyone', '[listen.socket.users]\nalice = "anyone"\n'],
];
for (const [what, text] of refused)
  test(`${what} is refused, with its line`, (t) => {
    const loaded = loadDaemon(t, text);
    assert.equal(loaded.ok, false);
    assert.match(said(loaded)[0] ?? '', /^mcpd\.toml:\d+:\d+: /);
  });
