import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encode } from '../../src/protocol/codec.ts';
import { detectors } from '../../src/redact/detectors.ts';
import { Redactor } from '../../src/redact/redact.ts';

const redactor = new Redactor();
const cleaned = (text: string): string =>
  (JSON.parse(redactor.clean(encode({ text }))) as { text: string }).text;

// Put together at run time, so that no scanner takes this file for a leak.
const some = (count: number, of = 'aB3dE5gH7jK9mN1p'): string =>
  of.repeat(Math.ceil(count / of.length)).slice(0, count);

const samples: [name: string, sample: string][] = [
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((it): [string, string] => ['github-token', it + some(36)]),
  ['github-token', `github_pat_${some(22)}_${some(59)}`],
  ['gitlab-token', `glpat-${some(20)}`],
  ['gitlab-token', `glpat-${some(27)}.01.${some(9)}`],
  ['slack-token', `xoxb-${some(12, '123456')}-${some(12, '123456')}-${some(24)}`],
  ['slack-token', `xapp-1-${some(11)}-${some(13, '1234')}-${some(64)}`],
  ['stripe-key', `sk_live_${some(24)}`],
  ['stripe-key', `rk_live_${some(24)}`],
  ['anthropic-key', `sk-ant-api03-${some(93)}AA`],
  ['openai-key', `sk-proj-${some(74)}T3BlbkFJ${some(74)}`],
  ['openai-key', `sk-${some(20)}T3BlbkFJ${some(20)}`],
  ['aws-key-id', `AKIA${some(16, 'ABCDEFG2345')}`],
  ['aws-key-id', `ASIA${some(16, 'ABCDEFG2345')}`],
  ['google-key', `AIza${some(35)}`],
  ['npm-token', `npm_${some(36)}`],
  ['pypi-token', `pypi-AgEIcHlwaS5vcmc${some(70)}`],
  ['sendgrid-key', `SG.${some(22)}.${some(43)}`],
  ['huggingface-token', `hf_${some(34, 'abcDEF')}`],
  ['digitalocean-token', `dop_v1_${some(64, '0123456789abcdef')}`],
  ['mcpd-key', `mcpd_${some(43)}`],
  ['jwt', `eyJ${some(20)}.eyJ${some(40)}.${some(43)}`],
  ['jwt', `eyJ${some(20)}.${some(40)}.${some(16)}.${some(40)}.${some(22)}`],
  [
    'private-key',
    `-----BEGIN RSA PRIVATE KEY-----\n${some(64)}\n${some(30)}==\n-----END RSA PRIVATE KEY-----`,
  ],
  ['private-key', `-----BEGIN PRIVATE KEY-----\r\n${some(64)}\r\n-----END PRIVATE KEY-----`],
];

test('every detector with a sample of its own has one', () => {
  const sampled = new Set(samples.map(([name]) => name));
  const partial = new Set(['bearer-token', 'authorization', 'url-password']);
  for (const { name } of detectors) assert.ok(sampled.has(name) || partial.has(name), name);
});

describe('a secret by its looks is taken out', () => {
  for (const [name, sample] of samples) {
    const marker = `[redacted:${name}]`;
    const short = `${sample.slice(0, 16)}… (${name})`;
    test(`alone: ${short}`, () => assert.equal(cleaned(sample), marker));
    test(`in a sentence: ${short}`, () =>
      assert.equal(cleaned(`use "${sample}", please`), `use "${marker}", please`));
    test(`on a line of its own: ${short}`, () => assert.equal(cleaned(`a\n${sample}\nb`), `a\n${marker}\nb`));
    test(`in JSON in JSON: ${short}`, () => {
      assert.equal(
        cleaned(JSON.stringify(JSON.stringify(`\n${sample}`))),
        JSON.stringify(JSON.stringify(`\n${marker}`)),
      );
    });
    test(`in a plain line: ${short}`, () =>
      assert.equal(redactor.cleanText(`key=${sample} `), `key=${marker} `));
  }
  for (const { name, literals, encoded } of detectors) {
    if (!encoded) continue;
    for (const [sampleName, sample] of samples) {
      if (sampleName !== name || !literals.some((it) => sample.startsWith(it))) continue;
      const encodings: [way: string, text: string][] = [
        ...[0, 1, 2, 3, 4].map((before): [string, string] => [
          `base64 after ${before} bytes`,
          Buffer.from('::::'.slice(0, before) + sample).toString('base64'),
        ]),
        ['base64 in front of other things', Buffer.from(`${sample}:rest`).toString('base64')],
        ['base64url', Buffer.from(`?>${sample}`).toString('base64url')],
        ['hexadecimal', Buffer.from(sample).toString('hex')],
        ['upper-case hexadecimal after others', Buffer.from(`::${sample}::`).toString('hex').toUpperCase()],
        ['percent-encoding', Buffer.from(sample).toString('hex').replaceAll(/../g, '%$&')],
      ];
      for (const [way, text] of encodings) {
        test(`in ${way}: ${sample.slice(0, 12)}… (${name})`, () => {
          const result = cleaned(`see ${text} there`);
          assert.match(result, /^see \S*\[redacted:[a-z-]+\]\S* there$/);
          assert.ok(result.length < 60, result);
        });
      }
    }
  }
});

describe('a whole key file in another encoding is taken out', () => {
  const key = `-----BEGIN PRIVATE KEY-----\n${`${some(64)}\n`.repeat(25)}-----END PRIVATE KEY-----\n`;
  const base64 = Buffer.from(key).toString('base64');
  const ways: [way: string, text: string][] = [
    ['base64', base64],
    ['base64 in lines', base64.replaceAll(/.{76}/g, '$&\n')],
    ['base64 in lines of another system', base64.replaceAll(/.{72}/g, '$&\r\n')],
    ['hexadecimal', Buffer.from(key).toString('hex')],
    ['percent-encoding of every byte', Buffer.from(key).toString('hex').replaceAll(/../g, '%$&')],
  ];
  for (const [way, text] of ways)
    test(`in ${way}`, () => {
      assert.equal(cleaned(`a ${text} b`), 'a [redacted:private-key] b');
      assert.equal(redactor.cleanText(`a ${text} b`), 'a [redacted:private-key] b');
    });
});

describe('a part of a text is taken out', () => {
  const token = some(30);
  const cases: [text: string, expected: string][] = [
    [`Authorization: Bearer ${token}`, 'Authorization: Bearer [redacted:authorization]'],
    [
      `curl -H "authorization: Basic dXNlcjpwYXNz" x`,
      'curl -H "authorization: Basic [redacted:authorization]" x',
    ],
    [`{"Authorization":"Token ${token}"}`, '{"Authorization":"Token [redacted:authorization]"}'],
    [`{'Authorization': '${token}'}`, "{'Authorization': '[redacted:authorization]'}"],
    [`sent bearer ${token}.`, 'sent bearer [redacted:bearer-token]'],
    ['postgres://me:hunter2@db:5432/x', 'postgres://me:[redacted:url-password]@db:5432/x'],
    [
      `https://ghp_${some(36)}:x-oauth@host/`,
      'https://[redacted:github-token]:[redacted:url-password]@host/',
    ],
    ['https://a:b:c@d@host/', 'https://a:[redacted:url-password]@host/'],
    ['-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE', '[redacted:private-key]'],
  ];
  for (const [text, expected] of cases) test(text, () => assert.equal(cleaned(text), expected));
  test('of a header in JSON itself', () => {
    const headers = redactor.clean(encode({ headers: { Authorization: `Bearer ${token}`, 'X-Other': 1 } }));
    assert.deepEqual(JSON.parse(headers), {
      headers: { Authorization: 'Bearer [redacted:authorization]', 'X-Other': 1 },
    });
  });
  test('of a cut-off key in JSON in JSON, to the end of the inner string only', () => {
    const inner = JSON.stringify({ a: `-----BEGIN PRIVATE KEY-----\n${some(64)}`, b: 'kept' });
    assert.deepEqual(JSON.parse(cleaned(inner)), { a: '[redacted:private-key]', b: 'kept' });
  });
  test('of a cut-off key, to the end of its string only', () => {
    const text = encode({ a: `-----BEGIN PRIVATE KEY-----\n${some(64)}\n`, b: 'kept' });
    assert.deepEqual(JSON.parse(redactor.clean(text)), { a: '[redacted:private-key]', b: 'kept' });
  });
});

describe('an ordinary text stays as it is', () => {
  const texts = [
    'commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12',
    '786512e2-9e0d-44bd-8f29-789f320fe840',
    'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'task-aaaaaaaaaaaaaaaaaaaaaaa1 desk-bbbbbbbbbbbbbbbbbbbbb2',
    'sk-learn-with-a-rather-long-name-2-go',
    'mcpd_request_duration_seconds_bucket_total_by_server',
    'ghp_ is how such tokens begin',
    'Authorization: required',
    'Authorization: Basic authentication',
    'Bearer authentication-is-required',
    '{"Authorization":null,"b":123456789012345}',
    'http://localhost:3000/@scope/pkg',
    'https://user@example.com/ and mail a:b@c',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
    '-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----',
    'AKIAABCDEFGHIJKLMNOPQRSTUVWXYZ',
    'eyJ is how a JSON object begins in base64; eyJhIjoxfQ== is one',
  ];
  for (const text of texts) {
    test(text.slice(0, 60), () => {
      assert.equal(cleaned(text), text);
      assert.equal(redactor.cleanText(text), text);
    });
  }
  test('as the values of an Authorization member that are no strings', () => {
    const text = encode({
      Authorization: null,
      'Authorization=': 12345678901234567890,
      authorization: [true],
    });
    assert.equal(redactor.clean(text), text);
  });
});
