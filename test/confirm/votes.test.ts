import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stillNeeded, type Vote } from '../../src/confirm/votes.ts';

const needed = (votes: readonly Vote[]) => stillNeeded(votes, 2);
const by = (...names: string[]) => names.map((name) => ({ by: name, forMs: 0 }));

test('two are two only when they are two people', () => {
  for (const [votes, still] of [
    [by('ana'), 1],
    [by('ana', 'bob'), 0],
    [by('ana', 'ana'), 1],
    [by('ana', 'Ana'), 1],
    [by('bob', 'webhook:chat/bob'), 1],
    [by('Bob', 'webhook:chat/bob'), 1],
    [by('webhook:chat/bob', 'webhook:mail/BOB'), 1],
    [by('caller:ana', 'ana'), 1],
    [by('caller:ana', 'webhook:chat/bob'), 0],
  ] as const)
    assert.equal(needed(votes), still, JSON.stringify(votes));
});

test('all who only say what they are called are one', () => {
  const claimed = (name: string) => ({ by: name, forMs: 0, person: 'whoever holds the token' });
  assert.equal(needed([claimed('ana'), claimed('bob'), claimed('carl')]), 1);
  assert.equal(needed([claimed('ana'), ...by('bob')]), 0);
});
