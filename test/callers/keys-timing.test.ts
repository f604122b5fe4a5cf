// Whether the time of a refusal tells how much of a key was right. A measurement, for a quiet machine: MCPD_TIMING=1.
import assert from 'node:assert/strict';
import { hash, randomInt } from 'node:crypto';
import { test } from 'node:test';
import { keyOf } from '../../src/callers/identify.ts';
import { keyRing } from '../../src/callers/key-ring.ts';
import { namePattern } from '../../src/policy/match.ts';

const rounds = 20_000;
const secret = 'Abcdefghijklmnopqrstuvwxyz0123456789_-ABCDE';
const real = `mcpd_AAAAAAAA_${secret}`;
const ring = keyRing(
  [{ name: 'a', id: 'AAAAAAAA', sha256: hash('sha256', real, 'hex'), createdAt: '2026-01-01T00:00:00.000Z' }],
  namePattern,
);
/** A key whose secret agrees with the real one in its first characters. */
const agreeing = (chars: number, id = 'AAAAAAAA') =>
  `mcpd_${id}_${secret.slice(0, chars).padEnd(43, '~').replaceAll('~', 'z')}`;

const kinds = [
  ['0 characters', agreeing(0)],
  ['8 characters', agreeing(8)],
  ['31 characters', agreeing(31)],
  ['an unknown id', agreeing(0, 'ZZZZZZZZ')],
] as const;

test(
  'the time of a refusal does not tell what was right',
  { skip: process.env['MCPD_TIMING'] === undefined ? 'a measurement: MCPD_TIMING=1 asks for it' : false },
  (t) => {
    const took = kinds.map(() => [] as number[]);
    const refuse = (token: string) => {
      const begun = process.hrtime.bigint();
      try {
        keyOf(token, ring, 0);
      } catch {
        // What is measured.
      }
      return Number(process.hrtime.bigint() - begun);
    };
    for (let warm = 0; warm < 5_000; warm++) for (const [, token] of kinds) refuse(token);
    for (let round = 0; round < rounds; round++) {
      const first = randomInt(kinds.length);
      for (let step = 0; step < kinds.length; step++) {
        const kind = (first + step) % kinds.length;
        took[kind]?.push(refuse((kinds[kind] as (typeof kinds)[number])[1]));
      }
    }
    // The slowest hundredth is the garbage collector's and the scheduler's.
    const kept = took.map((all) => all.sort((a, b) => a - b).slice(0, Math.floor(rounds * 0.99)));
    const [base, ...others] = kept as [number[], ...number[][]];
    for (const [at, other] of others.entries()) {
      const value = welch(base, other);
      t.diagnostic(
        `${kinds[at + 1]?.[0]} against ${kinds[0][0]}: t = ${value.toFixed(2)}, mean ${mean(other).toFixed(0)} ns`,
      );
      // An id is no secret: it is shown in lists and logs. Its figure is told, and proves nothing about keys.
      if (at < 2) assert.ok(Math.abs(value) < 4.5, `t = ${value}`);
    }
  },
);

function welch(a: readonly number[], b: readonly number[]): number {
  return (mean(a) - mean(b)) / Math.sqrt(variance(a) / a.length + variance(b) / b.length);
}

function mean(all: readonly number[]): number {
  return all.reduce((sum, it) => sum + it, 0) / all.length;
}

function variance(all: readonly number[]): number {
  const middle = mean(all);
  return all.reduce((sum, it) => sum + (it - middle) ** 2, 0) / (all.length - 1);
}
