import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readWebhookAnswer } from '../../src/confirm/webhook-answer.ts';

const read = (text: string) => readWebhookAnswer(Buffer.from(text));
const answer = (more: object) => JSON.stringify({ id: '7k2m9qxz', verdict: 'approve', by: 'bob', ...more });

test('a yes and a no are read', () => {
  assert.deepEqual(read(answer({})), {
    id: '7k2m9qxz',
    verdict: 'approve',
    by: 'bob',
    reason: undefined,
    forMs: 0,
  });
  assert.deepEqual(read(answer({ verdict: 'deny', by: 'U01ABC', reason: 'no\n\u202e\u001b[2J' })), {
    id: '7k2m9qxz',
    verdict: 'deny',
    by: 'u01abc',
    reason: 'no\\u{a}\\u{202e}\\u{1b}[2J',
    forMs: 0,
  });
  for (const [written, ms] of [
    ['90s', 90_000],
    ['10m', 600_000],
    ['2h', 7_200_000],
  ] as const)
    assert.equal(read(answer({ for: written })).forMs, ms);
});

test('two spellings of one name are one approver', () => {
  assert.equal(read(answer({ by: 'Bob@Example.com' })).by, read(answer({ by: 'bob@example.com' })).by);
});

test('whatever is not exactly an answer is refused with what is wrong', () => {
  const wrong: readonly (readonly [string, string])[] = [
    ['', 'BAD_JSON'],
    ['{', 'BAD_JSON'],
    ['"approve"', 'BAD_PARAMS'],
    ['[]', 'BAD_PARAMS'],
    ['{"id":"a","id":"b","verdict":"approve","by":"bob"}', 'BAD_JSON'],
    ['{"id":"7k2m9qxz","verdict":"deny","verdict":"approve","by":"bob"}', 'BAD_JSON'],
    [answer({ verdict: 'yes' }), 'BAD_PARAMS'],
    [answer({ verdict: true }), 'BAD_PARAMS'],
    [answer({ verdict: ['approve'] }), 'BAD_PARAMS'],
    [answer({ id: 7 }), 'BAD_PARAMS'],
    [answer({ id: '' }), 'BAD_PARAMS'],
    [answer({ id: '../x' }), 'BAD_PARAMS'],
    [answer({ by: undefined }), 'BAD_PARAMS'],
    [answer({ by: '' }), 'BAD_PARAMS'],
    [answer({ by: 'bob, operator:root' }), 'BAD_PARAMS'],
    [answer({ by: 'bob/x' }), 'BAD_PARAMS'],
    [answer({ by: 'b\u043eb' }), 'BAD_PARAMS'],
    [answer({ by: 'bob\u200b' }), 'BAD_PARAMS'],
    [answer({ by: 'x'.repeat(65) }), 'BAD_PARAMS'],
    [answer({ reason: 7 }), 'BAD_PARAMS'],
    [answer({ reason: 'x'.repeat(501) }), 'BAD_PARAMS'],
    [answer({ for: '10' }), 'BAD_PARAMS'],
    [answer({ for: 600 }), 'BAD_PARAMS'],
    [answer({ for: '0m' }), 'BAD_PARAMS'],
    [answer({ for: '10m', verdict: 'deny' }), 'BAD_PARAMS'],
    [answer({ extra: 1 }), 'BAD_PARAMS'],
    ['{"__proto__":{"verdict":"approve"},"id":"7k2m9qxz","verdict":"approve","by":"bob"}', 'BAD_PARAMS'],
    [answer({ reason: [[['deep']]] }), 'TOO_DEEP'],
  ];
  for (const [text, code] of wrong) assert.throws(() => read(text), { code }, text);
  assert.throws(() => readWebhookAnswer(Buffer.from([0x7b, 0xff, 0x7d])), { code: 'BAD_JSON' });
});
