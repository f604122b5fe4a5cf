import { Dice } from '../support/dice.ts';
import { engineFor, madeUp, mustAgree } from '../policy/made-up.ts';
import type { Target } from './engine.ts';

/** Each byte of an input is one choice: a policy, and questions that are put to it. The reference says the same. */
export const policy: Target = {
  name: 'policy',
  covers: /\/src\/policy\//,
  seeds: () =>
    Array.from({ length: 24 }, (_, seed) => {
      const dice = new Dice(seed + 1);
      return Buffer.from(Array.from({ length: 400 }, () => dice.upTo(255)));
    }),
  words: ['\0\0\0\0', '\u00ff', '\u0080', '\u0040'],
  bytesMax: 1200,
  run: (input) => {
    const { world, question } = madeUp(new Dice(input));
    const engine = engineFor(world);
    for (let index = 0; index < 3; index++) {
      const asked = question();
      mustAgree(engine(asked), world, asked);
    }
  },
};
