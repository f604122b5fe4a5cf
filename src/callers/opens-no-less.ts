import type { Principal, Reach } from '../domain/caller.ts';

/** Credentials that may come and go in one session: rotated keys, tokens with ever better scopes. */
const credentialsMax = 16;

/**
 * Whether a credential may be used in a session in which these were: one of the same caller that opens no less than any of
 * them. A session is full of what those opened: answers that can be read again, questions that wait for a reply. Whoever has
 * stolen a lesser credential of the caller and a session id would have all of that.
 */
export function admitted(principal: Principal, shown: readonly Principal[]): boolean {
  const isKnown = shown.some(({ via }) => via === principal.via);
  if (shown.length >= credentialsMax && !isKnown) return false;
  return shown.every((before) => before.name === principal.name && opensNoLess(principal, before));
}

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
