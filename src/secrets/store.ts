import { Fault } from '../domain/faults.ts';
import { isSecretName } from '../domain/secret-reference.ts';
import { withKeychain, type OpenKeychain } from './keychain.ts';
import { withLock } from '../files/lock.ts';
import { readOurs } from '../files/ours.ts';
import { replaceWhole } from '../files/replace.ts';
import { unfit } from './value.ts';
import type { Kept } from './vault.ts';

/** More secrets than any one person remembers; keeps the list of names readable in one go. */
const namesMax = 1000;
const fileBytesMax = 1024 * 1024;

/** A name on the list; `setAt` is missing where an earlier mcpd wrote it. */
export type Named = { readonly name: string; readonly setAt: string | undefined };

/**
 * Puts a secret into the keychain and its name on the list. Rejects with `SECRET_UNAVAILABLE`. The list is ours because a
 * search of the keychain would bring every value into memory to learn the names.
 */
export async function setSecret(
  name: string,
  value: string,
  namesFile: string,
  openKeychain: OpenKeychain = withKeychain,
  wallMs: () => number = Date.now,
): Promise<'stored' | 'replaced'> {
  checkName(name);
  checkValue(value);
  return withLock(`${namesFile}.lock`, async (mustHold) => {
    const names = await readNames(namesFile);
    if (names.size >= namesMax && !names.has(name))
      throw refused(`${String(namesMax)} secrets are kept already`, 'mcpd secret rm NAME');
    await openKeychain((keychain) => {
      mustHold();
      return keychain.set(name, value);
    });
    const result = names.has(name) ? 'replaced' : 'stored';
    names.set(name, new Date(wallMs()).toISOString());
    mustHold();
    writeNames(namesFile, names);
    return result;
  });
}

/** The names of the secrets put into the keychain, sorted. Values stay where they are. */
export async function listSecrets(namesFile: string): Promise<readonly Named[]> {
  const names = [...(await readNames(namesFile))].map(([name, setAt]) => ({ name, setAt }));
  return names.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Takes a secret out of the keychain and its name off the list. Removing what is not there succeeds and says so. */
export async function removeSecret(
  name: string,
  namesFile: string,
  openKeychain: OpenKeychain = withKeychain,
): Promise<'removed' | 'absent'> {
  checkName(name);
  return withLock(`${namesFile}.lock`, async (mustHold) => {
    const removed = await openKeychain((keychain) => {
      mustHold();
      return keychain.remove(name);
    });
    const names = await readNames(namesFile);
    mustHold();
    if (names.delete(name)) writeNames(namesFile, names);
    return removed;
  });
}

/** Throws `SECRET_UNAVAILABLE` for what cannot be the name of a secret in the keychain or the vault. */
export function checkName(name: string): void {
  if (isSecretName(name)) return;
  throw refused(
    'that is not a name for a secret',
    'use letters, digits, and . _ / - after the first; at most 128',
  );
}

/** Throws `SECRET_UNAVAILABLE` for what no environment could carry. */
export function checkValue(value: string): void {
  const wrong = unfit(value);
  if (wrong !== undefined) throw refused(`the value ${wrong}`, 'give the secret on standard input');
}

/** Name → when it was set. One line each, a tab between them. */
async function readNames(file: string): Promise<Map<string, string | undefined>> {
  const lines = (readOurs(file, { bytesMax: fileBytesMax, closed: 'to everybody' })?.toString('utf8') ?? '')
    .split('\n')
    .map((line) => line.split('\t'));
  const names = new Map<string, Kept['setAt'] | undefined>();
  // What is no name is no name of ours; it is dropped with the next change.
  for (const [name = '', setAt] of lines)
    if (isSecretName(name))
      names.set(name, setAt !== undefined && /^[0-9TZ:.-]{20,30}$/.test(setAt) ? setAt : undefined);
  return names;
}

function writeNames(file: string, names: ReadonlyMap<string, string | undefined>): void {
  const lines = [...names].map(([name, setAt]) =>
    setAt === undefined ? `${name}\n` : `${name}\t${setAt}\n`,
  );
  replaceWhole(file, lines.join(''));
}

function refused(detail: string, hint: string): Fault {
  return new Fault('SECRET_UNAVAILABLE', { detail, hint });
}
