import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { readKey, sign, toleranceMs, verify } from '../../src/confirm/webhook-signature.ts';
import { keyOf, secret, signed } from './webhook-support.ts';

const now = 1_800_000_000_000;
const key = keyOf(secret);
const body = '{"id":"7k2m9qxz"}';
const given = signed(body, { atMs: now });
const kindOf = (headers: Record<string, string | string[] | undefined>, text = body, atMs = now) =>
  verify(key, headers, Buffer.from(text), atMs).kind;

test('a signature is the one that the scheme describes', () => {
  // The key is what follows whsec_, decoded; the signed text is id, timestamp and body with dots between.
  const mac = createHmac('sha256', Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64'))
    .update('msg_1.1800000000.{"a":1}')
    .digest('base64');
  assert.deepEqual(sign(key, 'msg_1', now + 999, Buffer.from('{"a":1}')), {
    'webhook-id': 'msg_1',
    'webhook-timestamp': '1800000000',
    'webhook-signature': `v1,${mac}`,
  });
});

test('what we sign we would believe, and so would whoever goes by the text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 4e12 }), (bytes, atMs) => {
      const buffer = Buffer.from(bytes);
      const headers = sign(key, 'msg_x', atMs, buffer);
      assert.deepEqual(verify(key, headers, buffer, atMs), { kind: 'signed', id: 'msg_x' });
    }),
  );
  assert.equal(kindOf(given), 'signed');
});

test('one changed byte anywhere, and it is not signed any more', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('webhook-id', 'webhook-timestamp', 'body', 'key'),
      fc.nat({ max: 40 }),
      (what, at) => {
        const flip = (text: string) => {
          const place = at % text.length;
          return text.slice(0, place) + (text[place] === '1' ? '2' : '1') + text.slice(place + 1);
        };
        if (what === 'body') assert.equal(kindOf(given, flip(body)), 'unsigned');
        else if (what === 'key')
          assert.equal(
            verify(Buffer.from(flip(key.toString('hex')), 'hex'), given, Buffer.from(body), now).kind,
            'unsigned',
          );
        else assert.equal(kindOf({ ...given, [what]: flip(given[what] as string) }), 'unsigned');
      },
    ),
  );
  assert.equal(kindOf(given, body.slice(0, -1)), 'unsigned');
  assert.equal(kindOf(given, ''), 'unsigned');
});

test('five minutes of difference are borne, early and late, and not a second more', () => {
  for (const [shift, expected] of [
    [toleranceMs, 'signed'],
    [-toleranceMs, 'signed'],
    [toleranceMs + 1000, 'unsigned'],
    [-toleranceMs - 1000, 'unsigned'],
  ] as const)
    assert.equal(kindOf(given, body, now + shift), expected, String(shift));
});

test('one of several signatures is enough, wherever it stands, and others do no harm', () => {
  const other = signed(body, { atMs: now, key: keyOf('another secret of enough length') });
  const [right, wrong] = [given['webhook-signature'] as string, other['webhook-signature'] as string];
  const several = (...all: string[]) => kindOf({ ...given, 'webhook-signature': all.join(' ') });
  assert.equal(several(wrong, right), 'signed');
  assert.equal(several(right, wrong), 'signed');
  assert.equal(several('v1a,AAAA', '', right), 'signed');
  assert.equal(several(wrong, wrong), 'unsigned');
  // The scheme with a public key is not ours, and no version is none.
  assert.equal(several(right.replace('v1,', 'v1a,')), 'unsigned');
  assert.equal(several(right.replace('v1,', '')), 'unsigned');
  assert.equal(several('v1,', 'v1'), 'unsigned');
});

test('headers that are missing, repeated, too long or of another form are no signature', () => {
  const cases: Record<string, string | string[] | undefined>[] = [
    { 'webhook-id': undefined },
    { 'webhook-id': '' },
    { 'webhook-id': 'a.b' },
    { 'webhook-id': 'x'.repeat(129) },
    { 'webhook-id': ['msg_1', 'msg_1'] },
    { 'webhook-id': 'msg_1, msg_1' },
    { 'webhook-timestamp': undefined },
    { 'webhook-timestamp': '1800000000.0' },
    { 'webhook-timestamp': '-1800000000' },
    { 'webhook-timestamp': '1800000000, 1800000000' },
    { 'webhook-timestamp': 'NaN' },
    { 'webhook-signature': undefined },
    { 'webhook-signature': '' },
    { 'webhook-signature': `${'v1,AAAA '.repeat(1000)}${given['webhook-signature']}` },
  ];
  for (const more of cases) assert.equal(kindOf({ ...given, ...more }), 'unsigned', JSON.stringify(more));
});

test('an id cannot lend characters to the timestamp: the same signed text is not another message', () => {
  // `a.1` `2` `3.{}` and `a` `1` `2.3.{}` are the same bytes to the hash.
  const mac = createHmac('sha256', key).update(`a.1.1800000000.${body}`).digest('base64');
  const headers = {
    'webhook-id': 'a.1',
    'webhook-timestamp': '1800000000',
    'webhook-signature': `v1,${mac}`,
  };
  assert.equal(kindOf(headers), 'unsigned');
});

test('a secret is base64 after whsec_, or the text itself, and never a short one', () => {
  const text = 'twenty-four characters..';
  assert.deepEqual(readKey(text), { ok: true, bytes: Buffer.from(text) });
  for (const weak of ['', 'hunter2', 'whsec_', 'whsec_c2hvcnQ=', `whsec_${'!'.repeat(40)}`, 'whsec_a b'])
    assert.equal(readKey(weak).ok, false, weak);
  const why = readKey('whsec_!secret!');
  assert.ok(!why.ok && !why.why.includes('!secret!'));
});
