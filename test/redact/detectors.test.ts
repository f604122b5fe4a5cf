import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encode } from '../../src/protocol/codec.ts';
import { detectors } from '../../src/redact/detectors.ts';
import { Redactor } from '../../src/redact/redact.ts';
import { claims } from './claims.ts';

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
  ['atlassian-token', `ATATT3xFfGF0${some(180)}`],
  ['docker-token', `dckr_pat_${some(27)}`],
  ['figma-token', `figd_${some(40)}`],
  ['google-oauth', `GOCSPX-${some(28)}`],
  ['google-oauth', `ya29.${some(60)}`],
  ['groq-key', `gsk_${some(52)}`],
  ['netlify-token', `nfp_${some(36)}`],
  ['perplexity-key', `pplx-${some(48)}`],
  ['replicate-token', `r8_${some(37)}`],
  ['sonar-token', `sqp_${some(40, '0a1b2c')}`],
  ['supabase-key', `sbp_${some(40, '0a1b2c')}`],
  ['xai-key', `xai-${some(80)}`],
  ['jwt', `eyJ${some(20)}.eyJ${some(40)}.${some(43)}`],
  ['jwt', `eyJ${some(20)}.${some(40)}.${some(16)}.${some(40)}.${some(22)}`],
  [
    'private-key',
    `-----BEGIN RSA PRIVATE KEY-----\n${some(64)}\n${some(30)}==\n-----END RSA PRIVATE KEY-----`,
  ],
  ['private-key', `-----BEGIN PRIVATE KEY-----\r\n${some(64)}\r\n-----END PRIVATE KEY-----`],
];

test('keys that begin with a letter of an escape are found behind a backslash, and behind the escape', () => {
  const keys: [name: string, key: string][] = [
    ['mailchimp-key', `b9c4${some(28, '0a1b2c3d')}-us3`],
    ['mailchimp-key', `f9c4${some(28, '0a1b2c3d')}-us3`],
    ...['b', 'f', 'n', 'r', 't'].map((it): [string, string] => [
      'terraform-token',
      `${it}${some(13)}.atlasv1.${some(67)}`,
    ]),
    ['maxmind-key', `n${some(35)}_mmk`],
  ];
  for (const [name, key] of keys)
    for (const before of ['C:\\new\\', '\\', 'x\b', '\n', '\f', '\r\n', '\t', '\u0001', '"', 'k=']) {
      const text = `${before}${key}`;
      assert.equal(cleaned(text), `${before}[redacted:${name}]`, JSON.stringify(text));
      assert.ok(!redactor.cleanText(text).includes(key.slice(3, 12)), text);
      const nested = JSON.stringify({ k: text });
      assert.deepEqual(JSON.parse(redactor.cleanText(nested)), { k: `${before}[redacted:${name}]` });
      assert.deepEqual(JSON.parse(cleaned(nested)), { k: `${before}[redacted:${name}]` });
    }
});

/** Values that are found by what is said beside them: the text, and what is left of it. */
const assigned: [name: string, text: string, left: string][] = [
  ['api-key-header', `curl -H 'X-Api-Key: ${some(24)}'`, "curl -H 'X-Api-Key: [redacted:api-key-header]'"],
  [
    'aws-secret-key',
    `aws_secret_access_key = ${some(38)}/+`,
    'aws_secret_access_key = [redacted:aws-secret-key]',
  ],
  ['aws-secret-key', `{"SecretAccessKey":"${some(40)}"}`, '{"SecretAccessKey":"[redacted:aws-secret-key]"}'],
  [
    'azure-key',
    `AccountKey=${some(86)}==;EndpointSuffix=x`,
    'AccountKey=[redacted:azure-key];EndpointSuffix=x',
  ],
  ['jfrog-key', `ARTIFACTORY_API_KEY=${some(73)}`, 'ARTIFACTORY_API_KEY=[redacted:jfrog-key]'],
  ['jfrog-key', `bintray_key: ${some(64)}`, 'bintray_key: [redacted:jfrog-key]'],
  [
    'atlassian-key',
    `confluence.token => '${some(24, '0a1b2c')}'`,
    "confluence.token => '[redacted:atlassian-key]'",
  ],
  ['atlassian-key', `JIRA_API_TOKEN="${some(24, '0a1b2c')}"`, 'JIRA_API_TOKEN="[redacted:atlassian-key]"'],
  [
    'discord-webhook',
    `https://discord.com/api/webhooks/123456789012345678/${some(68)}`,
    'https://discord.com/api/webhooks/[redacted:discord-webhook]',
  ],
];

test('every detector has a sample: here, or in the public collection of rules', () => {
  const sampled = new Set([...samples, ...assigned].map(([name]) => name));
  for (const claim of Object.values(claims)) if (typeof claim === 'string') sampled.add(claim);
  const partial = new Set(['bearer-token', 'authorization', 'url-password']);
  for (const { name } of detectors) assert.ok(sampled.has(name) || partial.has(name), name);
});

describe('a value is taken out because of what is said beside it', () => {
  for (const [name, text, left] of assigned)
    test(`${name}: ${left}`, () => {
      assert.equal(cleaned(text), left);
      assert.equal(redactor.cleanText(text), left);
      assert.equal(cleaned(JSON.stringify({ text })), JSON.stringify({ text: left }));
    });
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
        ['character references', [...sample].map((it) => `&#${it.charCodeAt(0)};`).join('')],
        ['hexadecimal references', [...sample].map((it) => `&#x${it.charCodeAt(0).toString(16)};`).join('')],
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

describe('at the start of a line, where the letter of `\\n` stands before it, is found', () => {
  const jwt = ['{"alg":"HS256","typ":"JWT"}', '{"sub":"1234567890"}', some(32)]
    .map((it) => Buffer.from(it).toString('base64url'))
    .join('.');
  const standing: [name: string, sample: string][] = [
    ['azure-secret', `abc8Q~${some(34)}`],
    ['terraform-token', `AbCdEfGhIjKlMn.atlasv1.${some(70)}`],
    ['maxmind-key', `aB3dE5_${some(29)}_mmk`],
    ['mailchimp-key', `${some(32, '0123456789abcdef')}-us12`],
    ['jwt', Buffer.from(jwt).toString('base64').replaceAll('=', '')],
  ];
  for (const [name, sample] of standing)
    for (const start of ['\n', '\t', '\r\n', '\f', '\b', '\u0001', ' '])
      test(`${name} behind ${JSON.stringify(start)}`, () => {
        const left = `x:${start}[redacted:${name}]`;
        assert.equal(cleaned(`x:${start}${sample}`), left);
        const nested = JSON.stringify({ k: `x:${start}${sample}` });
        assert.equal(cleaned(nested), JSON.stringify({ k: left }));
      });
});

test('one character reference in a token hides it from nobody', () => {
  const sample = `ghp_${some(36)}`;
  for (let at = 0; at < 6; at++) {
    const hidden = `${sample.slice(0, at)}&#${sample.charCodeAt(at)};${sample.slice(at + 1)}`;
    for (const text of [hidden, `<b>${hidden}</b>`, `"${hidden}"\n`, `it&#39;s ${hidden} here, isn&#39;t it`])
      assert.equal(cleaned(text), text.replace(hidden, '[redacted:github-token]'));
  }
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

describe('a key with an armour header is taken out to its end line', () => {
  const headers = [
    'Version: GnuPG v2',
    'Version: BCPG C# v1.6.1.0',
    'Comment: Alice <alice@example.org>',
    "Comment: Alice's OpenPGP Transferable Secret Key",
    'Comment: "quoted" & back\\slashed',
    'Comment: Zoë — 100 %',
  ];
  for (const header of headers)
    for (const end of ['\n', '\r\n'])
      test(JSON.stringify(header + end), () => {
        const lines = ['-----BEGIN PGP PRIVATE KEY BLOCK-----', header, '', some(64), '=abcd'];
        const key = [...lines, '-----END PGP PRIVATE KEY BLOCK-----'].join(end);
        const [text, left] = [`a ${key} b "c"`, 'a [redacted:private-key] b "c"'];
        assert.equal(cleaned(text), left);
        assert.equal(redactor.cleanText(text), left);
        const nested = (it: string): string => JSON.stringify({ a: it, b: 'kept' });
        assert.equal(cleaned(nested(text)), nested(left));
        assert.equal(cleaned(nested(nested(text))), nested(nested(left)));
        assert.equal(cleaned(Buffer.from(key).toString('base64')), '[redacted:private-key]');
      });
  test('and never beyond its string, at any depth, nor into the next key', () => {
    const begin = '-----BEGIN PRIVATE KEY-----\nComment: <a>\n';
    const value = { a: begin, b: 'kept', c: '-----END PRIVATE KEY-----' };
    const left = { a: '[redacted:private-key]<a>\n', b: 'kept', c: '-----END PRIVATE KEY-----' };
    assert.deepEqual(JSON.parse(redactor.clean(encode(value))), left);
    assert.deepEqual(JSON.parse(cleaned(JSON.stringify(value))), left);
    const ends = { a: `${begin.trim()}-----END `, b: '-----kept' };
    assert.deepEqual(JSON.parse(redactor.clean(encode(ends))), {
      ...ends,
      a: '[redacted:private-key]-----END ',
    });
    const certificate = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----';
    assert.equal(cleaned(`${begin}${certificate}`), `[redacted:private-key]<a>\n${certificate}`);
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
    'discord: 8f14e45fceea167a5a36dedd4bea2543, sentry release 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12',
    'linear_id=8f14e45fceea167a5a36dedd4bea2543',
    'heroku-app 786512e2-9e0d-44bd-8f29-789f320fe840',
    'the path /pathological/patch.patched.pattern and extension ext_foo.bar.baz',
    'datadog_api_key = $DATADOG_API_KEY',
    'x-api-key: required',
    'us-east-1 and eu-us1',
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
