import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAuthority } from '../src/authority.ts';
import type { Issuer } from '../src/domain/issuer.ts';
import { corp } from './callers/tokens-issuer.ts';

const keys = { keys: [] };
const json =
  (body: string): RequestListener =>
  (_, res) =>
    res.writeHead(200, { 'content-type': 'application/json' }).end(body);

async function listening<S extends Server>(t: TestContext, server: S): Promise<number> {
  t.after(() => server.close().closeAllConnections());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** An issuer of this machine, and what it is asked. */
async function here(t: TestContext, answer: RequestListener): Promise<{ issuer: Issuer; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    answer(req, res);
  });
  const origin = `http://127.0.0.1:${await listening(t, server)}`;
  return { issuer: { ...corp, issuer: origin, jwksUri: `${origin}/jwks` }, asked };
}

const ask = openAuthority({ version: 'test', answerWithinMs: 500 });
const jwks = ({ jwksUri }: Issuer): string => jwksUri ?? '';

it('brings a JSON text, whatever its kind of JSON is called', async (t) => {
  for (const type of ['application/json', 'application/jwk-set+json; charset=utf-8']) {
    const { issuer } = await here(t, (_, res) =>
      res.writeHead(200, { 'content-type': type }).end(JSON.stringify(keys)),
    );
    assert.deepEqual(await ask(issuer, jwks(issuer)), keys);
  }
});

it('sends a form with its credential', async (t) => {
  let seen = '';
  const { issuer } = await here(t, (req, res) => {
    req.on('data', (chunk: Buffer) => (seen += `${req.headers.authorization} ${chunk.toString()}`));
    req.on('end', () => json('{"active":false}')(req, res));
  });
  const form = new URLSearchParams({ token: 'a b' });
  assert.deepEqual(await ask(issuer, jwks(issuer), { form, authorization: 'Basic eA==' }), { active: false });
  assert.equal(seen, 'Basic eA== token=a+b');
});

describe('takes no other answer:', () => {
  const endless: RequestListener = (_, res) => {
    res.writeHead(200, { 'content-type': 'application/json' });
    const more = (): void => {
      while (res.writable && res.write(' '.repeat(65_536)));
      if (res.writable) res.once('drain', more);
    };
    more();
  };
  const cases: readonly (readonly [string, RequestListener, RegExp])[] = [
    ['one without an end', endless, /larger than 1 MiB/],
    [
      'one that says it is 1 GB',
      (_, res) =>
        void res.writeHead(200, { 'content-type': 'application/json', 'content-length': 1e9 }).write('['),
      /too long/,
    ],
    ['one that never begins', () => undefined, /too long/],
    [
      'one that never ends',
      (_, res) => void res.writeHead(200, { 'content-type': 'application/json' }).write('{'),
      /too long/,
    ],
    ['a page', (_, res) => res.writeHead(200, { 'content-type': 'text/html' }).end('{}'), /not JSON/],
    ['one without a type', (_, res) => res.writeHead(200).end('{}'), /not JSON/],
    [
      'a compressed one',
      (_, res) =>
        res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end('{}'),
      /compressed/,
    ],
    [
      'not found',
      (_, res) => res.writeHead(404, { 'content-type': 'application/json' }).end('{}'),
      /HTTP 404/,
    ],
    ['a member twice', json('{"keys":[],"keys":[]}'), /twice|duplicate/i],
    ['too deep', json('['.repeat(40) + ']'.repeat(40)), /levels/],
    [
      'no UTF-8',
      (_, res) =>
        res.writeHead(200, { 'content-type': 'application/json' }).end(Buffer.from([0x22, 0xff, 0x22])),
      /UTF-8/,
    ],
    ['a line that is cut', (req) => req.socket.destroy(), /cannot be reached \(ECONNRESET\)/],
  ];
  for (const [what, answer, why] of cases)
    it(what, async (t) => {
      const { issuer } = await here(t, answer);
      await assert.rejects(ask(issuer, jwks(issuer)), why);
    });
});

it('follows no redirect', async (t) => {
  const elsewhere = await here(t, json('{"keys":["stolen"]}'));
  for (const status of [301, 302, 303, 307, 308]) {
    const { issuer, asked } = await here(t, (req, res) =>
      res.writeHead(status, { location: req.url === '/jwks' ? '/other' : jwks(elsewhere.issuer) }).end(),
    );
    await assert.rejects(ask(issuer, jwks(issuer)), new RegExp(`HTTP ${status}`));
    assert.deepEqual(asked, ['GET /jwks']);
  }
  assert.deepEqual(elsewhere.asked, []);
});

it('goes to the hosts of the issuer and to no other, and to other machines by https only', async (t) => {
  const { issuer, asked } = await here(t, json('{}'));
  for (const url of [
    'https://evil.example/jwks',
    issuer.issuer.replace('http:', 'https:'),
    issuer.issuer.replace('127.0.0.1', 'localhost'),
    'http://169.254.169.254/latest/meta-data',
    'file:///etc/passwd',
  ])
    await assert.rejects(ask(issuer, url), /is not named for corp/);
  const plain = { ...corp, jwksUri: 'http://auth.example/jwks' };
  await assert.rejects(ask(plain, plain.jwksUri), /not reached by https/);
  assert.deepEqual(asked, []);
});

describe('a name that leads inside gets nobody in:', () => {
  const inside = [
    '127.0.0.1',
    '10.1.2.3',
    '192.168.0.1',
    '169.254.169.254',
    '::1',
    'fd00::1',
    'fe80::1',
    '0.0.0.0',
    '::ffff:10.0.0.1',
  ];
  for (const address of inside)
    it(address, async () => {
      const resolve = () => Promise.resolve([{ address, family: address.includes(':') ? 6 : 4 }]);
      const asking = openAuthority({ version: 'test', resolve });
      await assert.rejects(asking(corp, jwks(corp)), /is not public/);
    });

  it('one address inside among others outside', async () => {
    const resolve = () =>
      Promise.resolve([
        { address: '9.9.9.9', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ]);
    await assert.rejects(
      openAuthority({ version: 'test', resolve })(corp, jwks(corp)),
      /10\.0\.0\.1.*not public/,
    );
  });

  it('an address that is written as such', async () => {
    for (const host of ['10.0.0.1', '[fd00::1]', '[::ffff:a00:1]', '0xa000001', '167772161'])
      await assert.rejects(
        ask({ ...corp, jwksUri: `https://${host}/jwks` }, `https://${host}/jwks`),
        /not public/,
      );
  });

  it('where the owner allows a private network, the cloud still tells nobody its secrets', async () => {
    const wide = { ...corp, privateNetwork: true };
    for (const address of ['169.254.169.254', '0.0.0.0', 'fe80::1', '224.0.0.1']) {
      const resolve = () => Promise.resolve([{ address, family: address.includes(':') ? 6 : 4 }]);
      await assert.rejects(openAuthority({ version: 'test', resolve })(wide, jwks(wide)), /is not public/);
    }
  });

  it('"localhost" means this machine, and no other that it is made to resolve to', async () => {
    const at = { ...corp, issuer: 'http://localhost:1', jwksUri: 'http://localhost:1/jwks' };
    const resolve = () => Promise.resolve([{ address: '9.9.9.9', family: 4 }]);
    await assert.rejects(openAuthority({ version: 'test', resolve })(at, at.jwksUri), /is not public/);
  });
});

it('over TLS, connects to the address that was looked at and believes only a certificate for the name', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-authority-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  try {
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        key,
        '-out',
        cert,
        '-days',
        '2',
        '-subj',
        '/CN=auth.example',
        '-addext',
        'subjectAltName=DNS:auth.example',
      ],
      { stdio: 'ignore' },
    );
  } catch {
    return t.skip('openssl is not installed, so there is no certificate to show');
  }
  const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, json('{"keys":[]}'));
  const port = await listening(t, server as unknown as Server);
  const parts = { version: 'test', resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]) };
  const ca = readFileSync(cert, 'utf8');
  const at = (host: string): Issuer => ({
    ...corp,
    privateNetwork: true,
    issuer: `https://${host}:${port}`,
    jwksUri: `https://${host}:${port}/jwks`,
  });
  const good = at('auth.example');
  assert.deepEqual(await openAuthority({ ...parts, ca })(good, jwks(good)), keys);
  await assert.rejects(
    openAuthority(parts)(good, jwks(good)),
    /cannot be reached \(DEPTH_ZERO_SELF_SIGNED_CERT\)/,
  );
  const other = at('other.example');
  await assert.rejects(openAuthority({ ...parts, ca })(other, jwks(other)), /ERR_TLS_CERT_ALTNAME_INVALID/);
});
