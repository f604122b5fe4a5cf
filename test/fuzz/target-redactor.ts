import assert from 'node:assert/strict';
import type { JsonText } from '../../src/domain/message.ts';
import { canonical, decodeUtf8 } from '../../src/protocol/codec.ts';
import { Redactor } from '../../src/redact/redact.ts';
import type { Target } from './engine.ts';
import { linesOf, texts } from './seeds.ts';

/** Letters and digits only: written the same in JSON, in URLs and in HTML. */
const secret = 'Zq7vK2mXw9Lr4TbN8sYc';
const forms = [
  secret,
  Buffer.from(secret).toString('base64').replaceAll('=', ''),
  Buffer.from(secret).toString('hex'),
];
const cleaner = new Redactor({ key: Buffer.alloc(32, 7) });
cleaner.learn(secret);

/** A secret that was given to a child comes out in none of the forms below, wherever it stands; the rest stays JSON. */
export const redactor: Target = {
  name: 'redactor',
  covers: /\/src\/redact\//,
  seeds: () => [
    ...texts(
      `{"content":[{"type":"text","text":"token ${secret} and more"}]}`,
      `{"a":"Bearer ${forms[1] ?? ''}","b":["${forms[2] ?? ''}"],"c":{"${secret}":1}}`,
      '{"text":"AKIAIOSFODNN7EXAMPLE ghp_0123456789abcdefghijABCDEFGHIJ012345 -----BEGIN PRIVATE KEY-----"}',
      '{"text":"&#90;&#x71;7vK2 %5a%71 plain text, and so on"}',
    ),
    ...linesOf('mcpd-own', /redaction\.jsonl$/),
  ],
  words: [
    ...forms,
    secret.slice(0, 10),
    'Bearer ',
    '&#90;',
    '%5A',
    '\\u005a',
    '\\n',
    '"',
    '{"a":"',
    '"}',
    '=',
    ' ',
  ],
  bytesMax: 2048,
  run: (input) => {
    let text: JsonText;
    try {
      text = canonical(decodeUtf8(input), { bytesMax: 64 * 1024, depthMax: 24 });
    } catch {
      // Only what was read comes this far. As a line of a log it is looked at all the same.
      const line = cleaner.cleanText(input.toString('latin1'));
      for (const form of forms) assert.ok(!line.includes(form), form);
      return;
    }
    const clean = cleaner.clean(text);
    for (const form of forms) assert.ok(!clean.includes(form), `${form} in ${clean}`);
    sameShape(JSON.parse(text), JSON.parse(clean));
    assert.equal(cleaner.clean(clean as unknown as JsonText), clean, 'not the same when cleaned again');
  },
};

function sameShape(before: unknown, after: unknown): void {
  assert.equal(typeof after, typeof before);
  if (Array.isArray(before)) {
    assert.ok(Array.isArray(after) && after.length === before.length);
    for (const [index, item] of before.entries()) sameShape(item, after[index]);
  } else if (typeof before === 'object' && before !== null) {
    assert.ok(typeof after === 'object' && after !== null);
    // Names may be redacted too, and two may then be called the same.
    const keys = Object.keys(before);
    assert.ok(Object.keys(after).length <= keys.length);
    for (const key of keys)
      if (Object.hasOwn(after, key))
        sameShape((before as Record<string, unknown>)[key], (after as Record<string, unknown>)[key]);
  }
}
