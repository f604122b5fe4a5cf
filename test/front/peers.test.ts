import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { alternativeNames, subjectOf } from '../../src/front/peer-certificate.ts';
import { networkPeers, socketPeers } from '../../src/front/peers.ts';
import { isAvailable, peerUid } from '../../src/native.ts';

/** A request as far as an address depends on it. */
const from = (remoteAddress: string, forwarded?: string): IncomingMessage =>
  ({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage;

const trusted = ['127.0.0.1', '10.0.0.0/8', 'fd00::/8'];
const addresses: readonly (readonly [string, string, string | undefined, string])[] = [
  ['a stranger', '192.0.2.1', undefined, '192.0.2.1'],
  ['a stranger that claims another address', '192.0.2.1', '198.51.100.7', '192.0.2.1'],
  ['a stranger that claims to be a proxy', '192.0.2.1', '127.0.0.1', '192.0.2.1'],
  ['a client behind a proxy', '127.0.0.1', '198.51.100.7', '198.51.100.7'],
  ['a client that wrote a hop of its own', '127.0.0.1', '203.0.113.9, 198.51.100.7', '198.51.100.7'],
  ['a client behind two proxies', '127.0.0.1', '198.51.100.7, 10.1.2.3', '198.51.100.7'],
  ['a client that wrote the address of a proxy', '127.0.0.1', '10.1.2.3, 198.51.100.7', '198.51.100.7'],
  ['a proxy that says nothing', '127.0.0.1', undefined, '127.0.0.1'],
  ['a proxy that says what is no address', '127.0.0.1', 'unknown', '127.0.0.1'],
  ['a hop before one that is no address', '127.0.0.1', '198.51.100.7, _hidden', '127.0.0.1'],
  ['a list of proxies only', '127.0.0.1', '10.0.0.1, 10.0.0.2', '10.0.0.1'],
  ['a client with its port', '127.0.0.1', '198.51.100.7:4711', '198.51.100.7'],
  ['a client of IPv6', '::ffff:127.0.0.1', '2001:db8::1', '2001:db8::1'],
  ['a client of IPv6 with its port', 'fd00::1', '[2001:db8::1]:4711', '2001:db8::1'],
  ['IPv4 written as IPv6', '::ffff:10.0.0.1', '::ffff:198.51.100.7', '198.51.100.7'],
  ['a hundred hops', '127.0.0.1', Array(100).fill('10.0.0.1').join(','), '10.0.0.1'],
];
for (const [who, peer, forwarded, address] of addresses)
  test(`${who} is known as ${address}`, () => {
    assert.equal(networkPeers(trusted).remote(from(peer, forwarded)), address);
    assert.equal(networkPeers([]).remote(from(peer, forwarded)), peer, 'without proxies no header counts');
  });

const alternatives: readonly (readonly [string, readonly string[]])[] = [
  ['', []],
  ['DNS:Agent.Corp, URI:spiffe://corp/Agent', ['dns:agent.corp', 'uri:spiffe://corp/Agent']],
  ['IP Address:127.0.0.1, email:a@b.example', ['email:a@b.example']],
  ['DNS:"x, URI:spiffe://corp/agent"', ['dns:x, uri:spiffe://corp/agent']],
  [String.raw`URI:"a\", DNS:b", DNS:c`, ['uri:a", DNS:b', 'dns:c']],
  ['DNS:"never closed', []],
  ['nonsense', []],
  ['URI:', []],
];
for (const [text, names] of alternatives)
  test(`the alternative names ${JSON.stringify(text)} are ${names.length}`, () => {
    assert.deepEqual(alternativeNames(text), names);
  });

test('a subject is read from its end, as RFC 4514 writes it', () => {
  assert.equal(subjectOf('C=DE\nO=Corp\nCN=agent'), 'CN=agent,O=Corp,C=DE');
  assert.equal(subjectOf(String.raw`CN=agent\,O=Corp`), String.raw`CN=agent\,O=Corp`);
});

test(
  'the kernel says who is at the other end of a socket; a key goes before that',
  { skip: isAvailable() ? false : 'koffi is not installed here' },
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'mcpd-peers-'));
    const path = join(dir, 'a.sock');
    const peers = socketPeers(peerUid);
    const server = createServer((req, res) =>
      res.end(JSON.stringify([peers.credentials(req), peers.remote(req)])),
    );
    t.after(() => {
      server.close();
      rmSync(dir, { recursive: true });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const ask = (headers: Record<string, string>) =>
      new Promise<unknown>((resolve, reject) => {
        request({ socketPath: path, headers, agent: false }, (res) => {
          let text = '';
          res.on('data', (chunk: Buffer) => (text += chunk.toString()));
          res.on('end', () => resolve(JSON.parse(text)));
        })
          .on('error', reject)
          .end();
      });
    const uid = process.getuid?.() ?? -1;
    assert.deepEqual(await ask({}), [{ kind: 'user', uid }, `unix:${uid}`]);
    assert.deepEqual(await ask({ authorization: 'Bearer x' }), [
      { kind: 'bearer', token: 'x' },
      `unix:${uid}`,
    ]);
    const blind = socketPeers(undefined);
    const somebody = { socket: { _handle: { fd: 0 } }, headers: {} } as unknown as IncomingMessage;
    assert.deepEqual([blind.credentials(somebody), blind.remote(somebody)], [{ kind: 'none' }, 'unix']);
  },
);
