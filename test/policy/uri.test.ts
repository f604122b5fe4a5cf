import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isPlain, readings } from '../../src/policy/uri.ts';

describe('a URI is plain', () => {
  const plain = [
    'file:///pub/a.txt',
    'file:///pub/My%20File.txt',
    'file:///pub/My File.txt',
    'file:///a/..b/.c/...',
    'demo://resource/dynamic/text/{resourceId}',
    'demo://Resource/x',
    'https://example.com/a?u=http://x/#top',
    'https://example.com:8443/',
    'urn:isbn:0451450523',
    'memo:note 1',
    'file:///caf%C3%A9',
  ];
  for (const uri of plain) test(`when written ${uri}`, () => assert.equal(isPlain(uri), true));

  const not: [uri: string, why: string][] = [
    ['file:///pub/../secret.txt', 'dots climb'],
    ['file:///pub/./a', 'dots stay'],
    ['file:///pub/..', 'dots at the end'],
    ['file:///pub/..?x', 'dots before a query'],
    ['file:///pub/..;/secret', 'dots before a semicolon'],
    ['file:///pub/a?x=/../../secret', 'dots in a query, for a reader that does not know queries'],
    ['file:///%73ecret.txt', 'an encoded letter'],
    ['file:///pub/%2e%2e/secret', 'encoded dots'],
    ['file:///pub%2fsecret', 'an encoded slash'],
    ['file:///pub/..%5csecret', 'an encoded backslash'],
    ['file:///pub/%252e%252e/secret', 'encoded twice'],
    ['file:///pub/%C0%AFx', 'an overlong encoding'],
    ['file:///pub/%zz', 'a broken encoding'],
    ['file:///pub/a%00.png', 'an encoded NUL'],
    ['file:///pub/a\u0000.png', 'a NUL'],
    ['file:///pub\\..\\secret', 'backslashes'],
    ['file:///pub//a', 'an empty segment'],
    ['FILE:///a', 'an upper-case scheme'],
    ['file:/a', 'a special scheme without slashes'],
    ['file://localhost/a', 'another name for here'],
    ['https://user@example.com/', 'a user'],
    ['https://good.com@evil.com/', 'a user that looks like a host'],
    ['https://EXAMPLE.com/', 'an upper-case host'],
    ['https://example.com:443/', 'a default port'],
    ['https://example.com./', 'a dot after the host'],
    ['https://2130706433/', 'an address as a number'],
    [' file:///a', 'a space in front'],
    ['file:///a ', 'a space behind'],
    ['/etc/passwd', 'no scheme'],
    ['', 'nothing'],
    ['file:///a\ud800', 'half a character'],
  ];
  for (const [uri, why] of not)
    test(`not with ${why}: ${JSON.stringify(uri)}`, () => assert.equal(isPlain(uri), false));
});

test('a plain special URL is what the WHATWG parser makes of it, as far as path and host go', () => {
  fc.assert(
    fc.property(
      fc.webUrl({ withFragments: true, withQueryParameters: true, validSchemes: ['http', 'https'] }),
      (uri) => {
        if (!isPlain(uri)) return;
        const parsed = new URL(uri);
        const [, host = '', path = ''] = /^https?:\/\/([^/?#]*)([^?#]*)/.exec(uri) ?? [];
        assert.equal(parsed.host, host);
        assert.equal(decodeURIComponent(parsed.pathname), decodeURIComponent(path === '' ? '/' : path));
      },
    ),
  );
});

describe('the readings of a URI', () => {
  const cases: [uri: string, reading: string][] = [
    ['file:///pub/../secret.txt', 'file:///secret.txt'],
    ['file:///%73ecret.txt', 'file:///secret.txt'],
    ['file:///%2573ecret.txt', 'file:///secret.txt'],
    ['FILE:///secret.txt', 'file:///secret.txt'],
    ['file:/secret.txt', 'file:///secret.txt'],
    ['file://localhost/secret.txt', 'file:///secret.txt'],
    ['file:////secret.txt', 'file:///secret.txt'],
    ['file:///secret.txt?x#y', 'file:///secret.txt'],
    ['file:///secret.txt#y', 'file:///secret.txt'],
    ['file:///secret.txt/', 'file:///secret.txt'],
    ['file:///pub\\..\\secret.txt', 'file:///secret.txt'],
    ['https://me@EXAMPLE.com:443/x', 'https://example.com/x'],
    ['note://Internal/x', 'note://internal/x'],
  ];
  for (const [uri, reading] of cases) {
    test(`of ${uri} hold ${reading}`, () =>
      assert.ok(readings(uri).includes(reading), readings(uri).join(' ')));
  }
  test('of an ordinary URI are none but itself', () => assert.deepEqual(readings('file:///pub/a.txt'), []));
  test('of 64 KiB of commas, slashes and dots are still a handful', () => {
    const hostile = `file:///${',/../%2e%2e/'.repeat(5_400)}`;
    assert.ok(readings(hostile).length <= 4);
    assert.equal(isPlain(hostile), false);
  });
});
