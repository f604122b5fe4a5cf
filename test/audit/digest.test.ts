import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { argumentDigest, argumentKey, argumentsText } from '../../src/audit/argument-digest.ts';
import { outsideText } from '../../src/audit/outside.ts';
import { digestsIn } from '../../src/cli/audit-digest.ts';
import type { JsonText } from '../../src/domain/message.ts';
import { canonical } from '../../src/protocol/codec.ts';
import { Redactor } from '../../src/redact/redact.ts';
import { tempDir } from './sample.ts';

const key = argumentKey(Buffer.alloc(32, 7));

test('a digest is HMAC-SHA-256, so that anybody who has the key can make it with other programs', () => {
  const digest = argumentDigest(key);
  for (const value of ['"x"', '', '"é😀\ud800"', `"${'y'.repeat(5000)}"`, `"${'é'.repeat(40_000)}"`, '"x"']) {
    const expected = createHmac('sha256', key).update(value).digest('base64url').slice(0, 22);
    assert.equal(digest(value), `hmac:${expected}`, value.slice(0, 20));
  }
});

test('another key gives other digests, and the key is not the one it is made from', () => {
  const other = argumentDigest(argumentKey(Buffer.alloc(32, 8)));
  assert.notEqual(other('"x"'), argumentDigest(key)('"x"'));
  assert.notEqual(key, Buffer.alloc(32, 7).toString('base64url'));
});

test('only the arguments of the call itself are taken, each with the digits it came with', () => {
  const text = (params: string) =>
    argumentsText(
      params as JsonText,
      (value) => value.replaceAll('"', "'"),
      outsideText({ redact: (it) => it }),
    );
  assert.equal(
    text('{"name":"t","_meta":{"arguments":{"no":1}},"arguments":{"a":1.50,"b":{"c":[1,2]},"d":"x"}}'),
    `,"args":{"a":"1.50","b":"{'c':[1,2]}","d":"'x'"}`,
  );
  for (const params of ['{"name":"t"}', '{"arguments":{}}', '{"arguments":[1]}', '{"arguments":"x"}', '{}'])
    assert.equal(text(params), '', params);
});

test('no detector takes a digest for a secret, whatever its argument is called', () => {
  const redactor = new Redactor();
  const digest = argumentDigest(key);
  for (const name of ['password', 'api_key', 'token', 'authorization', 'secret', 'card'])
    for (let at = 0; at < 200; at++) {
      const line = `{"args":{"${name}":"${digest(String(at))}"}}` as JsonText;
      assert.equal(redactor.clean(line), line);
    }
});

test('the command line makes the digest of what is typed, and of JSON however it is written', async (t) => {
  const state = tempDir(t);
  mkdirSync(state, { mode: 0o700 });
  const seal = Buffer.alloc(32, 9);
  writeFileSync(join(state, 'seal-key'), seal.toString('hex'), { mode: 0o600 });
  const digest = await digestsIn(state);
  const own = argumentDigest(argumentKey(seal));
  const wentOut = (text: string) => own(canonical(text, { bytesMax: 1e6, depthMax: 64 }));
  assert.equal(digest('a "b"\n\u2028é', 'text'), wentOut('"a \\"b\\"\\n\\u2028\\u00e9"'));
  assert.equal(digest('{ "a" : [ 1.0 ] }', 'json'), wentOut('{"a":[1.0]}'));
  assert.equal(digest('42', 'json'), wentOut('42'));
  assert.notEqual(digest('42', 'text'), digest('42', 'json'));
  assert.throws(() => digest('{', 'json'), { code: 'USAGE' });
});

test('without a key there are no digests, and none is made', async (t) => {
  const state = tempDir(t);
  mkdirSync(state, { mode: 0o700 });
  await assert.rejects(digestsIn(state), { code: 'CONFIG_INVALID', hint: /--policies/ });
  await assert.rejects(digestsIn(state), { code: 'CONFIG_INVALID' });
});
