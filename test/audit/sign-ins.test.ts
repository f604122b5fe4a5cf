import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignIns } from '../../src/audit/sign-ins.ts';

test('a new minute starts afresh', () => {
  const signIns = new SignIns();
  for (let count = 0; count < 61; count++) signIns.count('a', 0, 0);
  assert.equal(signIns.nextEndMs(), 60_000);
  assert.deepEqual(signIns.takeEnded(59_999), []);
  assert.deepEqual(signIns.takeEnded(60_000), [{ remote: 'a', count: 1, sinceMs: 0 }]);
  assert.equal(signIns.count('a', 60_000, 60_000), 'write');
});

test('a guesser with endless addresses shares one count, and memory stays bounded', () => {
  const signIns = new SignIns();
  let written = 0;
  for (let count = 0; count < 10_000; count++)
    if (signIns.count(`remote-${count}`, 0, 0) === 'write') written++;
  assert.equal(written, 4096 + 60);
  assert.deepEqual(signIns.takeEnded(Infinity), [
    { remote: '(other addresses)', count: 10_000 - 4096 - 60, sinceMs: 0 },
  ]);
});

test('who has a network of IPv6 addresses has no more records than who has one address', () => {
  const signIns = new SignIns();
  let written = 0;
  for (let count = 0; count < 1000; count++)
    if (signIns.count(`2001:db8:0:1::${count.toString(16)}`, 0, 0) === 'write') written++;
  assert.equal(written, 60);
  assert.deepEqual(signIns.takeEnded(Infinity), [{ remote: '2001:db8:0:1::/64', count: 940, sinceMs: 0 }]);
});
