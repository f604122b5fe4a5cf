import { accessSync, constants, statSync } from 'node:fs';
import { userInfo } from 'node:os';

/** Whoever can change the program that builds the wall is not kept out by it. */
export function trusted(names: readonly string[]): string | undefined {
  return names.find((name) => {
    try {
      const stat = statSync(name);
      accessSync(name, constants.X_OK);
      return stat.isFile() && stat.uid === 0 && (stat.mode & 0o022) === 0;
    } catch {
      return false;
    }
  });
}

/** What the daemon's own user is called. */
export function userName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    // Containers often run as a user without a name.
    return uid === 0 ? 'root' : `user-${uid}`;
  }
}
