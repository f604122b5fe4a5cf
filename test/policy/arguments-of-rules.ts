import type { Check, Holds } from '../../src/domain/conditions.ts';
import type { Json } from '../../src/domain/message.ts';
import { argumentTest } from '../../src/policy/condition.ts';
import { condition, facts } from './support.ts';

/** Asks checks about one argument; a check that cannot be compiled throws. */
export function namedArgument(
  name: string,
  ...checks: Check[]
): (value: Json, realPath?: (path: string) => string | undefined) => Holds {
  const made = argumentTest(condition(name, checks), 'all', (what) => {
    throw new Error(what);
  });
  return (value, realPath = facts.realPath) => made.holds({ [name]: value }, realPath);
}
