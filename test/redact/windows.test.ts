import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encode, valueOf } from '../../src/protocol/codec.ts';
import { Redactor } from '../../src/redact/redact.ts';
import { eachWindow, isWindowed, runCharsMin } from '../../src/redact/windows.ts';

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const random = (count: number): string =>
  Array.from({ length: count }, (_, i) => letters[(i * 37 + 11) % 62]).join('');

/** One text for each kind of secret that the detectors know, as it may stand in an answer. */
const samples: readonly string[] = [
  `ghp_${random(36)}`,
  `github_pat_${random(40)}`,
  `glpat-${random(20)}`,
  'xoxb-1234567890',
  `sk_live_${random(16)}`,
  `sk-ant-${random(20)}`,
  `sk-${random(20)}`,
  `AKIA${random(40).toUpperCase().slice(0, 16)}`,
  `AIza${random(35)}`,
  `npm_${random(36)}`,
  `SG.${random(22)}.${random(43)}`,
  `hf_${random(30)}`,
  `mcpd_${random(8)}_${random(43)}`,
  '-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----',
  `eyJ${random(20)}.eyJ${random(20)}.${random(20)}`,
  `Bearer ${random(16)}`,
  `bearer    ${random(16)}`,
  'Authorization: Basic dXNlcjpwYXNz',
  'a://b:hunter2@c',
  'postgres://user:p$ss@host/db',
  Buffer.from(`ghp_${random(36)}`).toString('base64'),
  Buffer.from(`x sk-ant-${random(30)}`).toString('base64'),
  Buffer.from(`ghp_${random(36)}`).toString('hex'),
  'xoxp%2D1234567890abcdef',
];
const prose = 'The quick brown fox — jumps over it; "again" and again. '.repeat(30);

describe('in a long text', () => {
  const redactor = new Redactor();
  redactor.learn('hunter');
  redactor.learn('a pass phrase with blanks');
  redactor.learn('correct-horse-battery-staple');
  const all = [...samples, 'hunter', 'a pass phrase with blanks', 'correct-horse-battery-staple'];
  for (const sample of all) {
    it(`${JSON.stringify(sample.slice(0, 24))} is taken out just as in a short one`, () => {
      const clean = (text: string): string =>
        (valueOf(redactor.clean(encode({ text }))) as { text: string }).text;
      const short = clean(` ${sample} `);
      for (let shift = 0; shift < runCharsMin + 1; shift++) {
        const before = 'x '.repeat(shift) + prose;
        assert.equal(clean(`${before} ${sample} ${prose}`), `${before}${short}${prose}`);
      }
    });
  }
});

it('every windowed literal lies inside a window, wherever it stands', () => {
  const piece = fc.oneof(
    fc.constantFrom(' ', '"', '\\n', '—', 'é', 'word', 'twelve-chars', 'Bearer '),
    fc.stringMatching(/^[A-Za-z0-9_\-.+/=%:~@]{1,30}$/),
  );
  fc.assert(
    fc.property(
      fc.array(piece),
      fc.array(piece),
      fc.stringMatching(/^[A-Za-z0-9_%/+=.-]{13,20}$/),
      (before, after, literal) => {
        assert.ok(isWindowed(literal));
        const text = before.join('') + literal + after.join('');
        const windows: [number, number][] = [];
        eachWindow(text, (from, to) => windows.push([from, to]));
        const at = before.join('').length;
        assert.ok(windows.some(([from, to]) => from <= at && at + literal.length <= to));
        for (const [i, [from]] of windows.entries()) if (i > 0) assert.ok((windows[i - 1]?.[1] ?? 0) < from);
      },
    ),
    { numRuns: 2000 },
  );
});
