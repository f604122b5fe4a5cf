import { randomUUID } from 'node:crypto';
import path from 'node:path';

/** The variable by which a later daemon recognises what an earlier one left running. */
export const cookieVariable = 'SUPERVISED_BY';

/** What a child may inherit when the daemon has it. Everything else of the daemon's own environment stays here. */
const inherited = ['HOME', 'LANG', 'TZ', 'USER', 'LOGNAME'];

export type ChildEnvironment = {
  /** The daemon's own environment; only a short list of names is read from it. */
  readonly own: Readonly<Record<string, string | undefined>>;
  /** The path of the daemon's own `node`, so that a child written in JavaScript runs on a version we know. */
  readonly execPath: string;
  readonly declared: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  /** The daemon's cookie, or the mark of one child, which begins with it: see `markOf`. */
  readonly cookie: string;
};

/** The mark of one child, by which what it leaves behind is known for its own. No two children ever have the same. */
export function markOf(cookie: string): string {
  return `${cookie}.${randomUUID().slice(0, 13)}`;
}

/**
 * A child's whole environment, built from nothing: credentials, proxies and loader variables of the daemon or of its
 * process manager never reach a third-party program by accident.
 */
export function environmentOf(parts: ChildEnvironment): Record<string, string> {
  const found = new Map<string, string>();
  found.set('PATH', `${path.dirname(parts.execPath)}:/usr/local/bin:/usr/bin:/bin`);
  for (const name of inherited) {
    const value = parts.own[name];
    if (value !== undefined) found.set(name, value);
  }
  for (const [name, value] of Object.entries(parts.declared)) found.set(name, value);
  for (const [name, value] of Object.entries(parts.secrets)) found.set(name, value);
  // Last, so that no declaration can make a child invisible to the sweep.
  found.set(cookieVariable, parts.cookie);
  return Object.fromEntries(found);
}
