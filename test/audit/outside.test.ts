import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { outsideText, quote } from '../../src/audit/outside.ts';

const secret = `sk-${'s'.repeat(40)}`;
const outside = outsideText({ redact: (text) => text.replaceAll(secret, '[gone]') });

test('a quoted string is what JSON says it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => assert.equal(JSON.parse(quote(text)), text)),
  );
});

test('a long string is cut, and says how long it was and what it was', () => {
  const shown = JSON.parse(outside('a'.repeat(100_000))) as string;
  assert.match(shown, /^a{1024}…\[100000 characters, sha256 [0-9a-f]{12}\]$/);
});

test('no cut leaves half a secret, wherever the secret stands', () => {
  for (const start of [1000, 1020, 32_750, 32_767]) {
    const shown = outside('.'.repeat(start) + secret + '.'.repeat(40_000));
    assert.doesNotMatch(shown, /sk-s/, String(start));
  }
});

test('a window that redaction emptied does not move its cut end into view', () => {
  const emptied = outsideText({ redact: (text) => text.replaceAll(secret, '') });
  assert.doesNotMatch(emptied('.'.repeat(20) + secret.repeat(800)), /sk-s/);
});

test('what was harmless is looked at again once something else is looked for', () => {
  let [secrets, looked] = [[] as string[], 0];
  const text = outsideText({
    redact: (json) => {
      looked++;
      return secrets.reduce((left, it) => left.replaceAll(it, '[gone]'), json);
    },
    knows: () => secrets.length,
  });
  assert.deepEqual([text('a name'), text('a name'), looked], ['"a name"', '"a name"', 1]);
  secrets = ['name'];
  assert.deepEqual([text('a name'), text('a name'), looked], ['"a [gone]"', '"a [gone]"', 3]);
});

test('more strings than are remembered are all looked at', () => {
  const text = outsideText({ redact: (json) => json.replaceAll('s3cret', '[gone]'), knows: () => 1 });
  for (let at = 0; at < 5000; at++) {
    assert.equal(text(`name ${at}`), `"name ${at}"`);
    assert.equal(text(`s3cret ${at}`), `"[gone] ${at}"`);
  }
});
