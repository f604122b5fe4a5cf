import { userInfo } from 'node:os';

/** The name of a user of this machine, for the journal: our own, root's, else its number: Node knows no others. */
export function userName(uid: number): string {
  if (uid === process.getuid?.()) return whoAmI();
  return uid === 0 ? 'root' : `uid-${String(uid)}`;
}

/** The operating-system user; `uid-…` where the system has no name for it. */
export function whoAmI(): string {
  try {
    return userInfo().username.slice(0, 64);
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
