import type { HallSession, Watcher } from '../callers/hall-sessions.ts';
import { noticeText } from '../protocol/codec.ts';
import type { DataPlane } from './data-plane.ts';
import { whoIsIn } from './hall-choice.ts';
import type { HallPlane } from './hall-plane.ts';

export const listChanges = [
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
] as const;

/**
 * Tells those who want to know that other servers can be reached than when they last looked: one came back, was added, or the
 * policy shows them others now. Called now and then by the daemon; told once for each change.
 */
export function lookAround(plane: HallPlane): void {
  const watchers = plane.guests.watchers();
  if (watchers.length === 0) return;
  const states = plane.states();
  for (const watcher of watchers) {
    const reachable = reachableBy(watcher, plane, states);
    if (isSame(reachable, watcher.known)) continue;
    watcher.known = reachable;
    watcher.changed(reachable);
  }
}

function isSame(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every((it) => other.has(it));
}

/** The servers that a caller may see in its hall and that answer. */
export function reachableBy(
  { principal, hall }: Pick<Watcher, 'principal' | 'hall'>,
  { data, profiles, states }: HallPlane,
  now = states(),
): ReadonlySet<string> {
  try {
    const { open } = whoIsIn(hall, principal, 'ping', data.orders.current(), profiles, data.facts);
    return new Set(open.filter((server) => now.get(server) === 'ready'));
  } catch {
    // What was chosen is unknown to this caller by now, which its next message is told.
    return new Set();
  }
}

export function tellListsChanged({ session }: HallSession, { sessions, redactor }: DataPlane): void {
  const standing = sessions.standing(session);
  for (const method of listChanges) standing.send(redactor.clean(noticeText(method)));
}
