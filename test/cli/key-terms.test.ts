import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyTerms, momentOf, overlapOf, scopeText } from '../../src/cli/key-terms.ts';

const now = Date.parse('2026-03-01T12:00:00.000Z');
const day = 86_400_000;

test('what was typed is what the key is bounded by', () => {
  const typed = {
    server: ['git*'],
    tool: ['github/list_*'],
    risk: 'write',
    role: ['ci'],
    expires: '30d',
    note: 'x',
  };
  const terms = keyTerms(typed, now);
  assert.deepEqual(terms, {
    servers: ['git*'],
    tools: ['github/list_*'],
    risk: 'write',
    roles: ['ci'],
    note: 'x',
    expiresAtMs: now + 30 * day,
  });
  assert.equal(scopeText(terms), 'servers git*; tools github/list_*; up to write; roles ci');
  assert.deepEqual(keyTerms({}, now), { expiresAtMs: undefined });
  assert.equal(scopeText({}), '');
});

const wrong: readonly (readonly [string, object])[] = [
  ['a class that there is not', { risk: 'admin' }],
  ['an empty class', { risk: '' }],
  ['an empty pattern', { server: [''] }],
  ['a pattern with a line end', { server: ['a\nb'] }],
  ['a pattern with too many stars', { server: ['*'.repeat(40)] }],
  ['a tool without a server', { tool: ['create_issue'] }],
  ['a server without a tool', { tool: ['github/'] }],
  ['a role that is none', { role: ['a b'] }],
  ['a note of two lines', { note: 'a\nb' }],
  ['a note without an end', { note: 'x'.repeat(1000) }],
  ['more servers than a key can hold', { server: Array(101).fill('a') }],
];
for (const [what, typed] of wrong)
  test(`${what} is refused, with what to type`, () => {
    assert.throws(() => keyTerms(typed, now), { code: 'USAGE', hint: /./ });
  });

test('an end is a span from now, a day in UTC, or a moment with its offset', () => {
  assert.equal(momentOf('12h', now), now + day / 2);
  assert.equal(momentOf('2026-03-02', now), Date.parse('2026-03-02T00:00:00Z'));
  assert.equal(momentOf('2026-03-02T00:00:00+02:00', now), Date.parse('2026-03-01T22:00:00Z'));
  for (const text of [
    '',
    '0s',
    'tomorrow',
    '30',
    '2026-03-01',
    '2026-13-01',
    '2026-03-02T00:00',
    '99999d',
    '-1d',
    '1e3d',
  ])
    assert.throws(() => momentOf(text, now), { code: 'USAGE' }, text);
});

test('an overlap is a span, or none', () => {
  assert.deepEqual([overlapOf('24h'), overlapOf('0s')], [day, 0]);
  for (const text of ['', '1', 'soon', '2026-03-02'])
    assert.throws(() => overlapOf(text), { code: 'USAGE' }, text);
});
