import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Line, type Standing } from '../../src/limits/line.ts';

function lineOf(callers: string): Line<Standing> {
  const line = new Line<Standing>();
  for (const [number, caller] of [...callers].entries()) line.add({ caller, number });
  return line;
}

function drained(line: Line<Standing>): string {
  let told = '';
  for (let next = line.shift(); next !== undefined; next = line.shift())
    told += `${next.caller}${next.number} `;
  return told.trim();
}

test('callers take turns, each in the order of its own calls', () => {
  assert.equal(drained(lineOf('aaabac')), 'a0 b3 c5 a1 a2 a4');
  assert.equal(drained(lineOf('')), '');
});

test('who comes over from another line keeps the place that its number gives it among its own', () => {
  const line = lineOf('aaa');
  line.add({ caller: 'a', number: -1 });
  assert.equal(drained(line), 'a-1 a0 a1 a2');
});

test('who has most in the line makes room, with the youngest, for who has clearly less', () => {
  const line = lineOf('aaabb');
  assert.deepEqual(line.makeRoomFor('c'), { caller: 'a', number: 2 });
  assert.deepEqual(line.makeRoomFor('b'), undefined);
  assert.equal(drained(line), 'a0 b3 a1 b4');
});

test('no room is made where it would only move the shortage to another caller', () => {
  assert.equal(lineOf('a').makeRoomFor('b'), undefined);
  assert.equal(lineOf('ab').makeRoomFor('c'), undefined);
  assert.equal(lineOf('').makeRoomFor('c'), undefined);
  assert.equal(lineOf('aaa').makeRoomFor('a'), undefined);
});

test('nobody waits for more turns than there are callers before him, and nobody is lost', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 60, size: 'max' }), (callers) => {
      const line = lineOf(callers.join(''));
      assert.equal(line.size, callers.length);
      const turns = drained(line).split(' ').filter(Boolean);
      assert.equal(turns.length, callers.length);
      assert.equal(line.size, 0);
      const seen = new Map<string, number>();
      for (const [index, turn] of turns.entries()) {
        const caller = turn[0] ?? '';
        const nth = (seen.get(caller) ?? 0) + 1;
        seen.set(caller, nth);
        assert.ok(index < nth * 4, `${turn} came as ${index}`);
      }
    }),
  );
});

test('who leaves is gone, and may leave twice', () => {
  const line = new Line<Standing>();
  const [first, second] = [
    { caller: 'a', number: 0 },
    { caller: 'a', number: 1 },
  ];
  line.add(first);
  line.add(second);
  line.remove(first);
  line.remove(first);
  assert.equal(line.size, 1);
  assert.equal(line.shift(), second);
  line.remove(second);
  assert.equal(line.size, 0);
});
