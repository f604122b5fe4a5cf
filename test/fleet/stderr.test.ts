import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Redacted } from '../../src/domain/redacted.ts';
import { Stderr } from '../../src/fleet/stderr.ts';

function tap(clean: (text: string) => string = (text) => text): {
  stderr: Stderr;
  said: string[];
  clock: { now: number };
} {
  const said: string[] = [];
  const clock = { now: 0 };
  const stderr = new Stderr({
    clock: { wallMs: () => 0, steadyMs: () => clock.now },
    clean: (text) => clean(text) as Redacted,
    say: (line) => said.push(line),
    suppressed: (count) => said.push(`suppressed ${count}`),
  });
  return { stderr, said, clock };
}

it('fifty lines a second are passed on, the rest are counted', () => {
  const { stderr, said, clock } = tap();
  stderr.feed(Buffer.from('x\n'.repeat(80)));
  clock.now = 1000;
  stderr.feed(Buffer.from('y\n'));
  assert.equal(said.length, 52);
  assert.deepEqual(said.slice(50), ['suppressed 30', 'y']);
});

it('a last line without an end, and a last count, are not lost', () => {
  const { stderr, said } = tap();
  stderr.feed(Buffer.from(`${'x\n'.repeat(51)}fatal: no disk`));
  stderr.end();
  assert.deepEqual(said.slice(50), ['suppressed 2']);
  const other = tap();
  other.stderr.feed(Buffer.from('fatal: no disk'));
  other.stderr.end();
  assert.deepEqual([other.said, other.stderr.tail], [['fatal: no disk'], ['fatal: no disk']]);
});

it('that lines were left out is said when nothing comes after them', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { stderr, said } = tap();
  stderr.feed(Buffer.from('x\n'.repeat(80)));
  assert.equal(said.length, 50);
  t.mock.timers.tick(1000);
  assert.deepEqual(said.slice(50), ['suppressed 30']);
  stderr.end();
  assert.equal(said.length, 51);
});

it('a secret that stands across the cut of a long line is not half shown', () => {
  const { stderr, said } = tap((text) => text.replaceAll('SECRET', '******'));
  stderr.feed(Buffer.from(`${'x'.repeat(4093)}SECRET${'y'.repeat(100_000)}\n`));
  assert.equal(said[0]?.length, 4096);
  assert.doesNotMatch(said[0] ?? '', /SEC/);
});

it('the last words are few and short', () => {
  const { stderr } = tap();
  stderr.feed(Buffer.from(`${'x'.repeat(3000)}\n`.repeat(40)));
  assert.equal(stderr.tail.length, 10);
  assert.ok(stderr.tail.every((line) => line.length === 500));
});
