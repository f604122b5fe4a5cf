import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../src/domain/faults.ts';
import type { JsonText } from '../../src/domain/message.ts';
import { readJson } from '../../src/domain/read-json.ts';
import {
  array,
  canonical,
  decodeUtf8,
  elements,
  member,
  members,
  object,
  readEnvelope,
  readEnvelopeBytes,
  readMessage,
  withMember,
  withoutMember,
} from '../../src/protocol/codec.ts';
import { absent, corpusFile } from '../support/corpora.ts';

const bounds = { bytesMax: 1_000_000, depthMax: 64 };

function code(run: () => unknown): string {
  try {
    run();
  } catch (reason) {
    return reason instanceof Fault ? reason.code : `not a fault: ${String(reason)}`;
  }
  return 'accepted';
}

describe('canonical text', () => {
  const rows: [string, string, string][] = [
    ['white space goes', '{ "a" :\t[ 1 ,\n2 ] }', '{"a":[1,2]}'],
    ['escapes that are not needed go', '{"a":"\\u0041\\/\\u00e9"}', '{"a":"A/é"}'],
    ['escapes that are needed stay', '"\\n\\t\\"\\\\"', '"\\n\\t\\"\\\\"'],
    [
      'numbers keep their digits',
      '[1.0,12345678901234567890,1e400,-0,2E5]',
      '[1.0,12345678901234567890,1e400,-0,2E5]',
    ],
    ['members keep their order', '{"10":1,"2":2,"a":3}', '{"10":1,"2":2,"a":3}'],
    ['lone surrogates stay escapes', '"\\uD800"', '"\\ud800"'],
    ['__proto__ is a name like any other', '{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
    ['a backslash before the closing quote', '["a\\\\","b"]', '["a\\\\","b"]'],
  ];
  for (const [name, given, expected] of rows) {
    it(name, () => assert.equal(canonical(given, bounds), expected));
  }

  it('refuses a member that stands twice, at any depth and in any spelling', () => {
    assert.equal(
      code(() => canonical('{"a":1,"a":2}', bounds)),
      'BAD_JSON',
    );
    assert.equal(
      code(() => canonical('{"x":[{"name":1,"n\\u0061me":2}]}', bounds)),
      'BAD_JSON',
    );
    const long = 'k'.repeat(2000);
    assert.equal(
      code(() => canonical(`{"${long}\\n":1,"\\u006b${long.slice(1)}\\n":2}`, bounds)),
      'BAD_JSON',
    );
    const many = Array.from({ length: 50 }, (_, i) => `"k${i}":1`).join(',');
    assert.equal(
      code(() => canonical(`{${many},"k3":2}`, bounds)),
      'BAD_JSON',
    );
  });

  it('refuses what is one level too deep and accepts what is not', () => {
    assert.equal(
      code(() => canonical('['.repeat(64) + ']'.repeat(64), bounds)),
      'accepted',
    );
    assert.equal(
      code(() => canonical('['.repeat(65) + ']'.repeat(65), bounds)),
      'TOO_DEEP',
    );
    assert.equal(
      code(() => canonical('['.repeat(500_000), bounds)),
      'TOO_DEEP',
    );
  });

  it('refuses one character too many', () => {
    assert.equal(
      code(() => canonical('"abc"', { bytesMax: 5, depthMax: 4 })),
      'accepted',
    );
    assert.equal(
      code(() => canonical('"abcd"', { bytesMax: 5, depthMax: 4 })),
      'TOO_LARGE',
    );
  });

  it('means the same as its source, and is its own canonical form', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, 2), (value, indent) => {
        const source = JSON.stringify(value, null, indent);
        const text = canonical(source, bounds);
        assert.deepEqual(JSON.parse(text), JSON.parse(source));
        assert.equal(canonical(text, bounds), text);
        assert.equal(/[\u0000-\u001f]/.test(text), false);
      }),
      { numRuns: 500 },
    );
  });

  it('takes strings of every kind of escape side by side as a reader does', () => {
    const fine = [
      'a',
      'é',
      '\u2028',
      '\\n',
      '\\t',
      '\\b',
      '\\\\',
      '\\"',
      '\\/',
      '\\u0041',
      '\\u000a',
      '\\ud83d\\ude00',
    ];
    const bad = ['\\x', '\\é', '\\u00', '\u0001', '\n', '\\'];
    const piece = fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom(...fine) },
      { weight: 1, arbitrary: fc.constantFrom(...bad) },
    );
    const inside = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
    const expected = (source: string): string => {
      try {
        // Not JSON.parse: it gives some of these members other names.
        return JSON.stringify(readJson(source));
      } catch {
        return 'BAD_JSON';
      }
    };
    fc.assert(
      fc.property(fc.array(inside, { minLength: 1, maxLength: 6 }), (strings) => {
        const list = `[${strings.map((it) => `"${it}"`).join(',')}]`;
        // The numbers keep the names apart, and the underscores keep them from being sorted as numbers.
        const map = `{${strings.map((it, n) => `"_${n}_${it}":"${it}"`).join(',')}}`;
        for (const source of [list, map]) {
          let seen: string = code(() => canonical(source, bounds));
          if (seen === 'accepted') seen = canonical(source, bounds);
          assert.equal(seen, expected(source), source);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('accepts exactly what the JSON test suite says is JSON', { skip: absent('json-test-suite') }, () => {
    const dir = corpusFile('json-test-suite/test_parsing');
    // Legal by the grammar; we refuse them because readers disagree on their meaning.
    const refusedOnPurpose = new Set([
      'y_object_duplicated_key.json',
      'y_object_duplicated_key_and_value.json',
    ]);
    for (const file of readdirSync(dir)) {
      const result = code(() => canonical(decodeUtf8(readFileSync(`${dir}/${file}`)), bounds));
      assert.match(result, /^(accepted|BAD_JSON|TOO_DEEP)$/, file);
      if (file.startsWith('n_') || refusedOnPurpose.has(file)) assert.notEqual(result, 'accepted', file);
      else if (file.startsWith('y_')) assert.equal(result, 'accepted', file);
    }
  });
});

describe('decoding', () => {
  it('refuses invalid UTF-8 instead of replacing it', () => {
    assert.equal(
      code(() => decodeUtf8(Buffer.from([0x22, 0xff, 0x22]))),
      'BAD_JSON',
    );
    assert.equal(
      code(() => decodeUtf8(Buffer.from([0x22, 0xc0, 0xaf, 0x22]))),
      'BAD_JSON',
    );
    assert.equal(
      code(() => decodeUtf8(Buffer.from([0xef, 0xbb, 0xbf, 0x31]))),
      'BAD_JSON',
    );
  });
});

describe('a message', () => {
  const read = (text: string) => readMessage(text, bounds);

  it('is a request, a notice or a reply', () => {
    assert.deepEqual(read('{"jsonrpc":"2.0","id":"","method":"ping"}'), {
      kind: 'request',
      id: '',
      method: 'ping',
      params: undefined,
    });
    assert.deepEqual(read('{"method":"notifications/x","params":{"a":1},"jsonrpc":"2.0"}'), {
      kind: 'notice',
      method: 'notifications/x',
      params: '{"a":1}',
    });
    assert.deepEqual(read('{"jsonrpc":"2.0","id":7,"result":{}}'), {
      kind: 'reply',
      id: 7,
      answer: { kind: 'result', text: '{}' },
    });
  });

  for (const text of [
    '[]',
    'null',
    '{"id":1,"method":"ping"}',
    '{"jsonrpc":2.0,"id":1,"method":"ping"}',
    '{"jsonrpc":"2.0","id":null,"method":"ping"}',
    '{"jsonrpc":"2.0","id":true,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1.0,"method":"ping"}',
    '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1e400,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
    '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}',
    '{"jsonrpc":"2.0","id":1}',
    '{"jsonrpc":"2.0","id":1,"result":[]}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"x"}}',
    '{"jsonrpc":"2.0","id":1,"Method":"tools/call","method":"ping"}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","PARAMS":{}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tasks/result","params":{"taskId":"a","TaskId":"b"}}',
    '{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{},"Ref":{}}}',
    '{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{},"NOTIFICATIONS":{}}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","param\\u017f":{}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"na\\u006de":"a","ta\\u017fk":{}}}',
  ]) {
    it(`is not ${text}`, () =>
      assert.equal(
        code(() => read(text)),
        'BAD_MESSAGE',
      ));
  }

  it('gives the same envelope whether or not the text had to be rewritten', () => {
    const tidy = readEnvelope('{"jsonrpc":"2.0","id":1,"result":{"a":"\\n"}}', bounds);
    const untidy = readEnvelope(' {"jsonrpc":"2.0", "id":1,"result":{"\\u0061":"\\n"} }', bounds);
    assert.deepEqual(tidy, untidy);
  });

  it('gives the same envelope of bytes as of text, and the same refusal, however large and whatever stands where', () => {
    const read = (run: () => unknown): unknown => {
      try {
        return run();
      } catch (reason) {
        return reason instanceof Fault ? [reason.code, reason.detail] : reason;
      }
    };
    fc.assert(
      fc.property(
        fc.constantFrom('a', 'é\n', '\\n', '€', 'a "b" '),
        fc.integer({ min: 0, max: 3000 }),
        fc.nat(),
        fc.constantFrom(0x00, 0x09, 0x0a, 0x0d, 0x1f, 0x20, 0x7f, 0x80),
        (piece, times, place, byte) => {
          const bytes = Buffer.from(
            JSON.stringify({ jsonrpc: '2.0', id: 1, result: { a: piece.repeat(times), b: [{ c: piece }] } }),
          );
          const whole = (of: Buffer): unknown => read(() => readEnvelope(decodeUtf8(of), bounds));
          assert.deepEqual(
            read(() => readEnvelopeBytes(bytes, bounds)),
            whole(bytes),
          );
          bytes[place % bytes.length] = byte;
          assert.deepEqual(
            read(() => readEnvelopeBytes(bytes, bounds)),
            whole(bytes),
          );
        },
      ),
    );
    const large = Buffer.from(`{"jsonrpc":"2.0","id":1,"result":{"a":"${'x'.repeat(8192)}"}}`);
    large[5000] = 0x01;
    assert.deepEqual(
      read(() => readEnvelopeBytes(large, bounds)),
      ['BAD_JSON', 'a control character in a string at character 38'],
    );
  });
});

describe('taking text apart', () => {
  it('gives back what was put together', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
        fc.array(fc.jsonValue({ maxDepth: 3 })),
        (map, list) => {
          const objectText = canonical(JSON.stringify(map), bounds);
          const arrayText = canonical(JSON.stringify(list), bounds);
          assert.equal(object(members(objectText)), objectText);
          for (const [name, text] of members(objectText)) assert.equal(member(objectText, [name]), text);
          assert.equal(array(elements(arrayText)), arrayText);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('replaces, adds and removes one member and leaves the rest as it stands', () => {
    const text = '{"a":{"b":1.0,"c":[2]},"d":"x"}' as JsonText;
    assert.equal(withMember(text, ['a', 'b'], '7' as JsonText), '{"a":{"b":7,"c":[2]},"d":"x"}');
    assert.equal(
      withMember(text, ['e', 'f'], '7' as JsonText),
      '{"a":{"b":1.0,"c":[2]},"d":"x","e":{"f":7}}',
    );
    assert.equal(withoutMember(text, 'a'), '{"d":"x"}');
    assert.equal(member(text, ['a', 'c']), '[2]');
    assert.equal(member(text, ['a', 'b', 'c']), undefined);
  });
});
