import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { Fault } from '../domain/faults.ts';
import { isSecretName } from '../domain/secret-reference.ts';
import { withKeychain } from './keychain.ts';
import type { OpenKeychain } from './resolve.ts';
import { unfit } from './value.ts';

/** More secrets than any one person remembers; keeps the list of names readable in one go. */
const namesMax = 1000;

/**
 * Puts a secret into the keychain and its name on the list. Rejects with `SECRET_UNAVAILABLE`. The list is ours because a
 * search of the keychain would bring every value into memory to learn the names.
 */
export async function setSecret(
  name: string,
  value: string,
  namesFile: string,
  openKeychain: OpenKeychain = withKeychain,
): Promise<'stored' | 'replaced'> {
  checkName(name);
  const wrong = unfit(value);
  if (wrong !== undefined) throw refused(`the value ${wrong}`, 'give the secret on standard input');
  const names = await readNames(namesFile);
  if (names.size >= namesMax && !names.has(name))
    throw refused(`${String(namesMax)} secrets are kept already`, 'mcpd secret rm NAME');
  await openKeychain((keychain) => keychain.set(name, value));
  if (names.has(name)) return 'replaced';
  await writeNames(namesFile, [...names, name]);
  return 'stored';
}

/** The names of the secrets put into the keychain, sorted. Values stay where they are. */
export async function listSecrets(namesFile: string): Promise<readonly string[]> {
  return [...(await readNames(namesFile))].sort();
}

/** Takes a secret out of the keychain and its name off the list. Removing what is not there succeeds and says so. */
export async function removeSecret(
  name: string,
  namesFile: string,
  openKeychain: OpenKeychain = withKeychain,
): Promise<'removed' | 'absent'> {
  checkName(name);
  const removed = await openKeychain((keychain) => keychain.remove(name));
  const names = await readNames(namesFile);
  if (names.delete(name)) await writeNames(namesFile, [...names]);
  return removed;
}

function checkName(name: string): void {
  if (isSecretName(name)) return;
  throw refused(
    'that is not a name for a secret',
    'use letters, digits, and . _ / - after the first; at most 128',
  );
}

async function readNames(file: string): Promise<Set<string>> {
  try {
    await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile() || stat.size > 1024 * 1024)
      throw refused(`${file} is not a list of names`, `remove ${file}`);
    // What is no name is no name of ours; it is dropped with the next change.
    return new Set((await handle.readFile('utf8')).split('\n').filter(isSecretName));
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return new Set();
    throw reason;
  }
}

/** Whole or not at all: the new list takes the old one's place when it is on disk. */
async function writeNames(file: string, names: readonly string[]): Promise<void> {
  const fresh = `${file}.${String(process.pid)}.new`;
  await rm(fresh, { force: true });
  const handle = await open(fresh, 'wx', 0o600);
  try {
    await handle.writeFile(names.map((name) => `${name}\n`).join(''));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
}

function refused(detail: string, hint: string): Fault {
  return new Fault('SECRET_UNAVAILABLE', { detail, hint });
}
