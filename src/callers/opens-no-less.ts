import type { Principal, Reach } from '../domain/caller.ts';

/**
 * Whether a credential opens everything that another one of the same caller does, as far as that can be told from what is
 * written: a pattern is held for no wider than another unless it is the same.
 */
export function opensNoLess(one: Principal, than: Principal): boolean {
  if (one === than) return true;
  return holds(one.roles ?? [], than.roles ?? []) && reachesNoLess(one.reach, than.reach);
}

function reachesNoLess(one: Reach | undefined, than: Reach | undefined): boolean {
  if (one === undefined) return true;
  const texts = (patterns: Reach['servers']) => patterns?.map(({ text }) => text);
  return (
    bounds(texts(one.servers), texts(than?.servers)) &&
    bounds(texts(one.tools), texts(than?.tools)) &&
    bounds(one.risks, than?.risks)
  );
}

/** An absent bound bounds nothing. */
function bounds(one: readonly string[] | undefined, than: readonly string[] | undefined): boolean {
  return one === undefined || (than !== undefined && holds(one, than));
}

function holds(all: readonly string[], some: readonly string[]): boolean {
  return some.every((it) => all.includes(it));
}
