import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical } from '../../src/protocol/codec.ts';
import { notCaught } from '../../src/redact/not-caught.ts';
import { Redactor } from '../../src/redact/redact.ts';
import { absent, corpusLines } from '../support/corpora.ts';

type Row = { id: string; encoding: string; line: string; expect: string };

const set = 'mcpd-own/redaction.jsonl';

/** Any encoding of the canary, or of a stretch of it, that a person could turn back. */
const traces = [
  'CANARY',
  'Q0FOQVJZ',
  'NBTkFSW',
  'DQU5BUl',
  '43414e415259',
  '%43%41%4e',
  '4111111111111111',
  '&#67;&#65;',
];

test(
  'every row of the test data is redacted, left as it must be, or listed as not caught',
  { skip: absent(set) },
  () => {
    const redactor = new Redactor();
    const left: string[] = [];
    for (const { id, encoding, line, expect } of corpusLines<Row>(set)) {
      if (encoding === 'split over two writes') {
        left.push(id);
        continue;
      }
      const isJson = line.startsWith('{') || line.startsWith('@C2S ');
      const text = isJson ? canonical(line.replace('@C2S ', ''), { bytesMax: 1e6, depthMax: 64 }) : line;
      const cleaned = isJson
        ? redactor.clean(canonical(text, { bytesMax: 1e6, depthMax: 64 }))
        : redactor.cleanText(text);
      if (isJson) JSON.parse(cleaned);
      if (expect === 'UNCHANGED') assert.equal(cleaned, text, id);
      else if (cleaned === text || traces.some((it) => cleaned.includes(it))) left.push(id);
    }
    assert.deepEqual(left.sort(), [...notCaught.keys()].sort());
  },
);

test('everything that is not caught has a sentence that says why', () => {
  for (const [id, why] of notCaught) assert.match(why, /^[A-Z].{30,}\.$/, id);
});
