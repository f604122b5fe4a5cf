import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Target } from '../../src/domain/call.ts';
import { Fault, faults, type FaultCode } from '../../src/domain/faults.ts';
import { wordFault, wordOutcome } from '../../src/protocol/wire-errors.ts';

const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'errors.md'), 'utf8');
const codes = Object.keys(faults) as FaultCode[];

/** 2026-07-28 basic/index, error codes. */
const specified: ReadonlyMap<string, number> = new Map([
  ['HEADER_MISMATCH', -32020],
  ['LACKS_CAPABILITY', -32021],
  ['UNSUPPORTED_REVISION', -32022],
]);

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
      const given = specified.get(code);
      const own = error.code > 0 || error.code === -32000 || error.code <= -32600;
      assert.ok(given === undefined ? own : error.code === given, `${code}: ${error.code}`);
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
    const worded = [hidden, absent].map((why) =>
      wordOutcome({ kind: 'refused', why, target }, 'c', 'legacy'),
    );
    assert.deepEqual(worded[0], worded[1]);
  }
});

it('the modern era has its own numbers for some errors, and its results say their type', () => {
  const absent = { kind: 'deny', rule: 'x', reason: 'x', hidden: true } as const;
  const worded = (target: Target) => wordOutcome({ kind: 'refused', why: absent, target }, 'c', 'modern');
  const codeOf = (target: Target) => (JSON.parse(worded(target).body) as { code: number }).code;
  assert.equal(worded({ kind: 'unknown', method: 'x/y' }).status, 404);
  assert.equal(codeOf({ kind: 'unknown', method: 'x/y' }), -32601);
  assert.equal(codeOf({ kind: 'resource', uri: 'file:///x' }), -32602);
  const limited = { kind: 'exhausted', limit: '1/min', retryInMs: 1000 } as const;
  const refused = wordOutcome(
    { kind: 'refused', why: limited, target: { kind: 'tool', name: 'x' } },
    'c',
    'modern',
  );
  assert.equal((JSON.parse(refused.body) as { resultType: string }).resultType, 'complete');
});
