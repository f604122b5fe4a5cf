import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { JsonText } from '../../src/domain/message.ts';
import { encode } from '../../src/protocol/codec.ts';
import { formsOf } from '../../src/redact/encodings.ts';
import { Redactor, secretCharsMax } from '../../src/redact/redact.ts';

const knowing = (...secrets: string[]): Redactor => {
  const redactor = new Redactor();
  for (const secret of secrets) assert.equal(redactor.learn(secret).kind, 'learned');
  return redactor;
};
const inside = (text: string): JsonText => encode({ text });
const textOf = (json: string): string => (JSON.parse(json) as { text: string }).text;

describe('an injected value', () => {
  const secret = 'p4$$w/ord?>~é"\\x';
  const bytes = Buffer.from(secret);
  const ways: [way: string, written: string][] = [
    ['as it is', secret],
    ['in JSON', JSON.stringify({ a: secret })],
    ['in JSON in JSON', JSON.stringify(JSON.stringify({ a: secret }))],
    ['in JSON that keeps to ASCII', JSON.stringify({ a: secret }).replaceAll('é', '\\u00e9')],
    ['in base64', bytes.toString('base64')],
    [
      'in base64 after one byte',
      Buffer.concat([Buffer.from('a'), bytes, Buffer.from('b')]).toString('base64'),
    ],
    [
      'in base64 after two bytes',
      Buffer.concat([Buffer.from('ab'), bytes, Buffer.from('c')]).toString('base64'),
    ],
    ['in base64 after three bytes', Buffer.concat([Buffer.from('abc'), bytes]).toString('base64')],
    ['in base64url', bytes.toString('base64url')],
    ['in base64url after two bytes', Buffer.concat([Buffer.from('ab'), bytes]).toString('base64url')],
    ['in hexadecimal', bytes.toString('hex')],
    ['in upper-case hexadecimal', bytes.toString('hex').toUpperCase()],
    ['percent-encoded', encodeURIComponent(secret)],
    [
      'percent-encoded in lower case',
      encodeURIComponent(secret).replaceAll(/%../g, (it) => it.toLowerCase()),
    ],
    ['percent-encoded byte by byte', bytes.toString('hex').replaceAll(/../g, '%$&')],
  ];
  for (const [way, written] of ways) {
    test(`is taken out of a message when it stands there ${way}`, () => {
      const cleaned = textOf(knowing(secret).clean(inside(`before ${written} after`)));
      assert.match(cleaned, /^before .*\[redacted:secret\].* after$/s);
      // At most a character on either side stays, and it holds too few bits to matter.
      assert.ok(cleaned.length < 'before [redacted:secret] after'.length + 16, cleaned);
    });
    test(`is taken out of a plain line when it stands there ${way}`, () => {
      assert.match(
        knowing(secret).cleanText(`before ${written} after`),
        /^before .*\[redacted:secret\].* after$/s,
      );
    });
  }
  test('is taken out as a member name, and two of them stay two', () => {
    const cleaned = knowing('first-secret', 'other-secret').clean(
      encode({ 'first-secret': 1, 'other-secret': 2 }),
    );
    assert.deepEqual(JSON.parse(cleaned), { '[redacted:secret]': 1, '[redacted:secret 2]': 2 });
  });
  test('of digits is taken out of numbers too, and the JSON stays JSON', () => {
    const redactor = knowing('12345678');
    const cleaned = redactor.clean(
      '{"pin":12345678,"sum":-9912345678.5e3,"list":[12345678,1],"text":"12345678,1"}' as JsonText,
    );
    assert.deepEqual(JSON.parse(cleaned), {
      pin: '[redacted:secret]',
      sum: '[redacted:secret]',
      list: ['[redacted:secret]', 1],
      text: '[redacted:secret],1',
    });
    assert.deepEqual(JSON.parse(redactor.cleanText('{"pin": 12345678}')), { pin: '[redacted:secret]' });
    assert.equal(redactor.cleanText('pin 12345678'), 'pin [redacted:secret]');
  });
  test('that looks like the structure of JSON does not break it', () => {
    const text = '{"a":[1,2,3,4,5],"b":"1,2,3,4,5"}' as JsonText;
    assert.equal(knowing('1,2,3,4,5').clean(text), '{"a":[1,2,3,4,5],"b":"[redacted:secret]"}');
  });
  test('is not found where only an escape looks like its begin', () => {
    const text = inside('\n12345ab');
    assert.equal(knowing('n12345ab').clean(text), text);
  });
  for (const lineStart of ['\n', '\t', '\r\n', 'é\b', '\f', '\u0001', '"', '\\']) {
    const written = lineStart + Buffer.from('hunter2-hunter2-xyz').toString('base64');
    test(`in base64 behind ${JSON.stringify(lineStart)} is taken out, and no escape is cut`, () => {
      const left = `key:${lineStart}[redacted:secret]==`;
      const redactor = knowing('hunter2-hunter2-xyz');
      assert.equal(textOf(redactor.clean(inside(`key:${written}`))), left);
      const nested = JSON.stringify({ k: `key:${written}` });
      assert.deepEqual(JSON.parse(textOf(redactor.clean(inside(nested)))), { k: left });
      assert.deepEqual(JSON.parse(redactor.cleanText(nested)), { k: left });
      const twice = JSON.stringify({ k: nested });
      const inner = JSON.parse(textOf(redactor.clean(inside(twice)))) as { k: string };
      assert.deepEqual(JSON.parse(inner.k), { k: left });
    });
  }
  test('behind a backslash in a plain line is taken out whole', () => {
    const cases: [secret: string, line: string, left: string][] = [
      ['user-pass1', 'login DOM\\user-pass1 x', 'login DOM\\[redacted:secret] x'],
      ['nancy-pass1', 'login DOM\\nancy-pass1 x', 'login DOM[redacted:secret] x'],
      ['u12345', 'DOM\\u12345', 'DOM[redacted:secret]'],
      ['12345x', 'DOM\\u12345x', 'DOM[redacted:secret]'],
      ['david-pass', '{"a":"DOM\\\\david-pass"}', '{"a":"DOM\\\\[redacted:secret]"}'],
      ['n-pass1', '{"a":"DOM\\n-pass1"}', '{"a":"DOM[redacted:secret]"}'],
    ];
    for (const [secret, line, left] of cases) assert.equal(knowing(secret).cleanText(line), left);
  });
  test('is taken out whole when a detector knows only a part of it', () => {
    const secret = `ghp_${'a1'.repeat(18)}!tail`;
    assert.equal(textOf(knowing(secret).clean(inside(`x ${secret} y`))), 'x [redacted:secret] y');
  });
  test('shorter than six characters is not learned, and the answer says so', () => {
    const redactor = new Redactor();
    assert.deepEqual(redactor.learn('12345'), { kind: 'too-short' });
    assert.deepEqual(redactor.learn('x'.repeat(secretCharsMax + 1)), { kind: 'too-long' });
    assert.equal(redactor.cleanText('a 12345 b'), 'a 12345 b');
  });
  test('is taken out until its last owner forgets it', () => {
    const redactor = knowing('shared-value', 'shared-value');
    redactor.forget('shared-value');
    assert.equal(redactor.cleanText('shared-value'), '[redacted:secret]');
    redactor.forget('shared-value');
    redactor.forget('never-learned');
    assert.equal(redactor.cleanText('shared-value'), 'shared-value');
  });
  test('learned later is taken out from then on', () => {
    const redactor = new Redactor();
    assert.equal(redactor.cleanText('late-value'), 'late-value');
    redactor.learn('late-value');
    assert.equal(redactor.cleanText('late-value'), '[redacted:secret]');
  });
  test('of any characters leaves neither itself nor broken JSON behind', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 6, maxLength: 40, unit: 'grapheme' }),
        fc.jsonValue({ maxDepth: 3 }),
        fc.string(),
        (secret, value, around) => {
          const redactor = knowing(secret);
          const text = encode({ value, a: [`${around}${secret}${around}`, { [`k${secret}`]: 1 }] });
          const cleaned = redactor.clean(text);
          const back = JSON.parse(cleaned) as { a: [string, object] };
          // A secret that the marker itself holds, or that its surroundings make up again, cannot be looked for this way.
          fc.pre(!'[redacted:secret 2]'.includes(secret) && !around.includes(secret));
          if (around === '') assert.ok(!back.a[0].includes(secret), cleaned);
          assert.ok(back.a[0].includes('[redacted:'), cleaned);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('an injected value as other writers put it', () => {
  const aws = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
  const password = 'Tr0ub4dor&3!x(9)';
  const hard = `q"<é's>&+=/~* \\z`;
  const inJson = (written: string): string => `{"x":"${written}","y":1}`;
  const base64 = Buffer.from(Array.from({ length: 64 }, (_, i) => (i * 37 + 11) & 255)).toString('base64');
  const ways: [way: string, secret: string, written: string][] = [
    ['PHP', aws, inJson('wJalrXUtnFEMI\\/K7MDENG+bPxRfiCYEXAMPLEKEY')],
    ['.NET', aws, inJson('wJalrXUtnFEMI/K7MDENG\\u002BbPxRfiCYEXAMPLEKEY')],
    ['Python quote', aws, 'p=wJalrXUtnFEMI/K7MDENG%2BbPxRfiCYEXAMPLEKEY'],
    ['Python quote, lower case', aws, 'p=wJalrXUtnFEMI/K7MDENG%2bbPxRfiCYEXAMPLEKEY'],
    ['Go', password, inJson('Tr0ub4dor\\u00263!x(9)')],
    ['Python quote', password, 'pw=Tr0ub4dor%263%21x%289%29'],
    ['HTML', password, '<b>Tr0ub4dor&amp;3!x(9)</b>'],
    ['PHP', hard, inJson(`q\\"<\\u00e9's>&+=\\/~* \\\\z`)],
    ['PHP, Unicode left', hard, inJson(`q\\"<é's>&+=\\/~* \\\\z`)],
    ['Symfony', hard, inJson(`q\\u0022\\u003C\\u00e9\\u0027s\\u003E\\u0026+=\\/~* \\\\z`)],
    ['.NET', hard, inJson(`q\\u0022\\u003C\\u00E9\\u0027s\\u003E\\u0026\\u002B=/~* \\\\z`)],
    ['Go', hard, inJson(`q\\"\\u003cé's\\u003e\\u0026+=/~* \\\\z`)],
    ['Gson', hard, inJson(`q\\"\\u003cé\\u0027s\\u003e\\u0026+\\u003d/~* \\\\z`)],
    ['Jackson', hard, inJson(`q\\"<\\u00E9's>&+=/~* \\\\z`)],
    ['RFC 3986', hard, 'q%22%3C%C3%A9%27s%3E%26%2B%3D%2F~%2A%20%5Cz'],
    ['Python quote', hard, 'q%22%3C%C3%A9%27s%3E%26%2B%3D/~%2A%20%5Cz'],
    ['a form', hard, 'q%22%3C%C3%A9%27s%3E%26%2B%3D%2F%7E*+%5Cz'],
    ['PHP urlencode', hard, 'q%22%3C%C3%A9%27s%3E%26%2B%3D%2F%7E%2A+%5Cz'],
    ['encodeURI', hard, encodeURI(hard)],
    ['HTML', hard, `q&quot;&lt;é's&gt;&amp;+=/~* \\z`],
    ['HTML between tags', password.replace('3', '<'), 'Tr0ub4dor&amp;&lt;!x(9)'],
    ['XML', hard, `q&quot;&lt;é&apos;s&gt;&amp;+=/~* \\z`],
    ['HTML, apostrophes by number', `${password}'"`, 'Tr0ub4dor&amp;3!x(9)&#x27;&quot;'],
    ['Handlebars', base64, base64.replaceAll('=', '&#x3D;')],
    [
      'one reference at its begin',
      `${base64}${base64}`,
      `&#${base64.charCodeAt(0)};${base64.slice(1)}${base64}`,
    ],
  ];
  for (const [way, secret, written] of ways)
    test(`is taken out: ${way} of ${secret.slice(0, 20)}`, () => {
      const redactor = knowing(secret);
      for (const it of [written, JSON.stringify({ a: written })]) {
        const cleaned = textOf(redactor.clean(inside(it)));
        assert.match(cleaned, /\[redacted:secret\]/);
        assert.ok(cleaned.length <= it.length - written.length + 40, cleaned);
        if (it.startsWith('{')) JSON.parse(cleaned);
        assert.match(redactor.cleanText(it), /\[redacted:secret\]/);
      }
    });
});

describe('a key with a character reference in it is found', () => {
  const github = `&#103;hp_${'aB3dE5gH7jK9'.repeat(3)}`;
  for (const chars of [0, 42, 43, 60, 5000])
    for (const before of [10, 26, 200, 4000])
      test(`behind ${before} words, while a secret of ${chars} characters is known`, () => {
        const redactor = chars === 0 ? knowing() : knowing('Zq9'.repeat(chars).slice(0, chars));
        const words = 'word '.repeat(before);
        assert.equal(
          textOf(redactor.clean(inside(`${words}${github} end`))),
          `${words}[redacted:github-token] end`,
        );
      });
  for (const line of ['\n', '\t', '\r\n', 'é\b', '\f', '\u0001', '"', '\\', '/', 'C:\\new\\'])
    test(`behind ${JSON.stringify(line)}`, () => {
      const text = `${line}&#65;KIAIOSFODNN7EXAMPL2 x`;
      const left = `${line}[redacted:aws-key-id] x`;
      assert.equal(textOf(knowing().clean(inside(text))), left);
      const nested = JSON.stringify({ k: text });
      assert.deepEqual(JSON.parse(textOf(knowing().clean(inside(nested)))), { k: left });
      assert.deepEqual(JSON.parse(knowing().cleanText(nested)), { k: left });
    });
  test('behind a backslash that escapes nothing, too', () => {
    assert.ok(
      !knowing()
        .cleanText(`C:\\n&#112;m_${'aB3dE5gH7jK9'.repeat(3)}`)
        .includes('aB3'),
    );
  });
});

describe('a long value', () => {
  const hard = `wJ"<é's>&+=/~* \\z`;
  test('is looked for in fewer writings, so that a new one costs no pause', () => {
    const short = formsOf(hard.repeat(200), true);
    const long = formsOf(hard.repeat(300), true);
    assert.ok(short.length > 40 && long.length <= 20, `${short.length}, ${long.length}`);
  });
  const long = hard.repeat(300);
  const bytes = Buffer.from(long);
  for (const written of [
    JSON.stringify({ a: long }),
    JSON.stringify(JSON.stringify({ a: long })),
    bytes.toString('base64'),
    bytes.toString('hex'),
    encodeURIComponent(long),
    encodeURIComponent(long).replaceAll('%20', '+'),
  ])
    test(`is found as ever: ${written.slice(0, 20)}`, () => {
      for (const it of [textOf(knowing(long).clean(inside(written))), knowing(long).cleanText(written)])
        assert.ok(it.length < 100 && it.includes('[redacted:secret]'), it.slice(0, 200));
    });
});

describe('every message', () => {
  const pieces = fc.constantFrom(
    'sk-',
    'ghp_',
    'eyJ',
    '.',
    '://',
    ':',
    '@',
    '-----BEGIN PRIVATE KEY-----',
    '-----END PRIVATE KEY-----',
    'Bearer ',
    'Authorization',
    '": "',
    '":',
    '"',
    '\\',
    '\\n',
    '\n',
    '\u0001',
    'npm_',
    'bearer ',
    'a'.repeat(40),
    'A1'.repeat(20),
    'Z2hwX0',
    '6768705f',
    '%67%68%70%5f',
    'null',
    '1',
    'u001',
    '\u001f',
    'é',
    '\ud800',
    '=',
    ' ',
    '/',
    '{',
    ',',
  );
  const hostile = fc.array(pieces, { maxLength: 30 }).map((it) => it.join(''));
  test('stays JSON of the same form, whatever stands in it', () => {
    const redactor = knowing('a'.repeat(10), 'nullnull', '111111', '\\n\\n\\n');
    fc.assert(
      fc.property(hostile, hostile, hostile, (a, b, c) => {
        const cleaned = redactor.clean(encode({ [`${a}.`]: b, list: [c, 1, null, 111111111] }));
        const back = JSON.parse(cleaned) as { list: unknown[] };
        assert.equal(Object.keys(back).length, 2);
        assert.equal(back.list.length, 4);
        assert.deepEqual(back.list.slice(1, 3), [1, null]);
        JSON.parse(redactor.cleanText(encode({ a: b })));
      }),
      { numRuns: 3000 },
    );
  });
  test('is changed no further by a second look', () => {
    const redactor = new Redactor();
    fc.assert(
      fc.property(hostile, (a) => {
        const once = redactor.clean(inside(a));
        assert.equal(redactor.clean(once), once);
      }),
      { numRuns: 1000 },
    );
  });
  test('without a secret comes back as the same string', () => {
    const text = inside(
      'the quick brown fox; task-list risk-free https://example.com/a@b:c?d=e Bearer authentication is needed',
    );
    assert.equal(new Redactor().clean(text), text);
  });
  for (const piece of [
    'sk-',
    'eyJ',
    'eyJaaaaaaaaaa.',
    '://a:b@',
    '-----BEGIN PRIVATE KEY-----',
    'Z2hwX',
    '%67%68%70%5f',
    '6768705f',
    '\\',
    'Authorization: ',
    'Bearer ',
    'SG.',
    'c2st',
  ]) {
    test(`of 200 kB of ${piece} ends, stays JSON, and grows by no more than 64 KiB and a little`, () => {
      const text = inside(piece.repeat(Math.ceil(200_000 / piece.length)));
      const cleaned = new Redactor().clean(text);
      JSON.parse(cleaned);
      assert.ok(cleaned.length <= text.length + 65 * 1024);
    });
  }
});
