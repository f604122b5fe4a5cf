/** The engine and a reference that was written separately agree on 100 000 made-up policies and questions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dice } from '../support/dice.ts';
import { engineFor, madeUp, mustAgree } from './made-up.ts';

/** Cases in all, and questions that are put to one policy. */
const cases = 100_000;
const questionsEach = 20;

test(`the engine agrees with the reference on ${cases} cases`, () => {
  const seen = { allow: 0, confirm: 0, deny: 0, would: 0, args: 0, credential: 0 };
  let done = 0;
  for (let seed = 1; done < cases; seed++) {
    const { world, question: next } = madeUp(new Dice(seed));
    const engine = engineFor(world);
    for (let index = 0; index < questionsEach; index++, done++) {
      const question = next();
      const decided = engine(question);
      mustAgree(decided, world, question);
      seen[decided.kind]++;
      if (decided.kind !== 'deny' && decided.would !== undefined) seen.would++;
      if (decided.rule === 'built-in: arguments') seen.args++;
      if (decided.rule === 'built-in: credential') seen.credential++;
    }
  }
  // A generator that only made denials would prove nothing.
  assert.ok(
    seen.allow > 10_000 &&
      seen.confirm > 3000 &&
      seen.would > 1000 &&
      seen.args > 100 &&
      seen.credential > 5000,
    JSON.stringify(seen),
  );
});
