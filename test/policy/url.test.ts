import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Check, Holds } from '../../src/domain/conditions.ts';
import { urlTest } from '../../src/policy/url.ts';

type UrlCheck = Extract<Check, { kind: 'url' }>;

const check = (more: Partial<UrlCheck> = {}): UrlCheck => ({
  kind: 'url',
  schemes: ['https'],
  hosts: ['api.example.com', '*.example.net'],
  ports: undefined,
  paths: undefined,
  ...more,
});
const asked = (value: string, more: Partial<UrlCheck> = {}): Holds =>
  urlTest(check(more), (what) => assert.fail(what))(value);

describe('a URL', () => {
  const rows: readonly (readonly [url: string, holds: Holds])[] = [
    ['https://api.example.com', 'yes'],
    ['https://api.example.com/v1?x=1#y', 'yes'],
    ['HTTPS://API.Example.COM/', 'yes'],
    ['https://api.example.com:443/', 'yes'],
    ['https://api.example.com:8443/', 'yes'],
    ['https://a.example.net/', 'yes'],
    ['https://example.net/', 'no'],
    ['https://a.b.example.net/', 'no'],
    ['https://evilexample.net/', 'no'],
    ['http://api.example.com/', 'no'],
    ['https://api.example.com.evil.org/', 'no'],
    ['https://evil.org/api.example.com', 'no'],
    ['https://evil.org/?https://api.example.com', 'no'],
    ['https://evil.org#@api.example.com', 'no'],
  ];
  for (const [url, holds] of rows) test(`${url} says ${holds}`, () => assert.equal(asked(url), holds));

  // Each is another host to another reader: it is not allowed, and no way past a denial.
  const untold = [
    'https://user@api.example.com/',
    'https://user:pass@evil.org/',
    'https://api.example.com@evil.org/',
    'https://api.example.com\\@evil.org/',
    'https:\\\\api.example.com/',
    'https:api.example.com',
    'https:/api.example.com',
    'https:///api.example.com',
    ' https://api.example.com/',
    'https://api.exa\tmple.com/',
    'https://api.example.com\n.evil.org/',
    'https://api.example.com./',
    'https://api%2eexample.com/',
    'https://api。example.com/',
    'https://ａpi.example.com/',
    'https://0x7f.1/',
    'https://2130706433/',
    '//api.example.com/',
    'api.example.com',
    'https://',
    '',
    `https://api.example.com/${'a'.repeat(9000)}`,
  ];
  for (const url of untold)
    test(`${JSON.stringify(url.slice(0, 50))} cannot be told`, () => assert.equal(asked(url), 'unknown'));

  test('has the port of its scheme where it names none', () => {
    const ports = [443];
    assert.equal(asked('https://api.example.com/', { ports }), 'yes');
    assert.equal(asked('https://api.example.com:443/', { ports }), 'yes');
    assert.equal(asked('https://api.example.com:8443/', { ports }), 'no');
    assert.equal(asked('https://api.example.com/', { ports: [] }), 'no');
  });
  test('is held against paths as its reader resolves them', () => {
    const paths = ['/v1/*', '/files/**'];
    const path = (it: string): Holds => asked(`https://api.example.com${it}`, { paths });
    assert.equal(path('/v1/users?all=1'), 'yes');
    assert.equal(path('/v1/users/1'), 'no');
    assert.equal(path('/files/a/b/c'), 'yes');
    assert.equal(path('/v1/../admin'), 'no');
    assert.equal(path('/v1/%2e%2e/admin'), 'no');
    assert.equal(path('/v1/..%2fadmin'), 'unknown');
    assert.equal(path('/files//x'), 'unknown');
    assert.equal(path(''), 'no');
  });
  test('of an address in brackets is compared as it is written', () => {
    assert.equal(asked('https://[::1]/', { hosts: ['[::1]'] }), 'yes');
    assert.equal(asked('https://[0:0:0:0:0:0:0:1]/', { hosts: ['[::1]'] }), 'unknown');
  });
  test('is never within empty lists', () => {
    assert.equal(asked('https://api.example.com/', { hosts: [] }), 'no');
    assert.equal(asked('https://api.example.com/', { schemes: [] }), 'no');
  });
});

test('a host that no URL has is a complaint', () => {
  for (const host of ['', 'a/b', 'a b', 'user@host', 'a..b', 'bücher.example']) {
    const told: string[] = [];
    urlTest(check({ hosts: [host] }), (what) => void told.push(what));
    assert.equal(told.length, 1, host);
  }
});
