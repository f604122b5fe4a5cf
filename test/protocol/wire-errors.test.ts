import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Fault, faults, type FaultCode } from '../../src/domain/faults.ts';
import { wordFault, wordOutcome } from '../../src/protocol/wire-errors.ts';

const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'errors.md'), 'utf8');
const codes = Object.keys(faults) as FaultCode[];

describe('a fault on the wire', () => {
  for (const code of codes) {
    it(`${code} says no more than anyone may know, and how to find it`, () => {
      const fault = new Fault(code, {
        detail: 'a path /home/ana',
        hint: 'a hint',
        cause: new Error('inside'),
      });
      const { body, status } = wordFault(fault, 'c-1');
      const error = JSON.parse(body) as { code: number; message: string; data: unknown };
      assert.deepEqual(error.data, { correlationId: 'c-1' });
      assert.equal(error.message, faults[code].says);
      assert.ok(status >= 200 && status < 600);
      // Ours are positive; the spec keeps -32099 to -32000 for itself, but for the -32000 that older fronts use.
      assert.ok(error.code > 0 || error.code === -32000 || error.code <= -32600, `${code}: ${error.code}`);
    });

    it(`${code} stands in the document with these numbers`, () => {
      if (code === 'UNKNOWN_METHOD') return;
      const row = text.split('\n').find((line) => line.startsWith('|') && line.includes(`\`${code}\``));
      assert.ok(row !== undefined, `docs/errors.md has no row for ${code}`);
      const { status, body } = wordFault(new Fault(code), '');
      const number = String((JSON.parse(body) as { code: number }).code).replace('-', '−');
      if (code === 'CONFIG_INVALID' || code === 'PLACE_TAKEN') return;
      assert.ok(row.includes(number), `${code} is ${number} on the wire: ${row}`);
      if (status !== 200) assert.ok(row.includes(String(status)), `${code} is ${status} on the wire: ${row}`);
    });
  }
});

it('a hidden denial and something that does not exist are worded alike', () => {
  const hidden = { kind: 'deny', rule: 'no moving', reason: 'too dangerous', hidden: true } as const;
  const absent = {
    kind: 'deny',
    rule: 'built-in: default deny',
    reason: 'No rule allows this.',
    hidden: true,
  } as const;
  for (const target of [
    { kind: 'tool', name: 'x' },
    { kind: 'prompt', name: 'x' },
    { kind: 'resource', uri: 'file:///x' },
    { kind: 'unknown', method: 'x/y' },
    { kind: 'protocol', method: 'ping' },
  ] as const) {
    const worded = [hidden, absent].map((why) => wordOutcome({ kind: 'refused', why, target }, 'c'));
    assert.deepEqual(worded[0], worded[1]);
  }
});
