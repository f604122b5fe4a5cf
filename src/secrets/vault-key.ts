import { hkdfSync, randomBytes, randomUUID, scrypt } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, lstat, mkdir, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import type { VaultKeySource } from '../domain/secret-reference.ts';
import { readCredential } from './credential.ts';
import { readOurs } from '../files/ours.ts';
import type { VaultFile } from './vault-file.ts';

/** What opens a vault, as its owner keeps it. `key`: 32 random bytes in hex; anything else is a passphrase. */
export type OwnersKey = { readonly from: VaultFile['key']['from']; readonly text: string };

export type KeyParts = {
  readonly source: VaultKeySource | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asks a person; undefined where nobody is there to be asked. `isNew`: for a vault that is about to be made. */
  readonly passphrase: ((isNew: boolean) => Promise<string>) | undefined;
};

const keyFileBytesMax = 4096;
const passphraseCharsMin = 12;
/** 128 MiB and some tenths of a second for each guess. Fixed, because numbers in a file could be made endless. */
const cost = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 };

/** Where the key file is when mcpd.toml says nothing: not in the state directory, so that a copy of that opens nothing. */
export function defaultKeyFile(env: KeyParts['env']): string {
  const xdg = env['XDG_CONFIG_HOME'];
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'mcpd', 'vault.key');
  const home = env['HOME'];
  if (home !== undefined && isAbsolute(home)) return join(home, '.config', 'mcpd', 'vault.key');
  throw new Fault('SECRET_UNAVAILABLE', {
    detail: 'there is no home folder for the key of the vault',
    hint: 'say where it is, in mcpd.toml: [secrets.vault] key = "file:/path/to/vault.key"',
  });
}

/** The owner's key. `forNew`: a key file that is not there is made. Throws `SECRET_UNAVAILABLE` or `CONFIG_INVALID`. */
export async function ownersKey({ source, env, passphrase }: KeyParts, forNew: boolean): Promise<OwnersKey> {
  switch (source?.kind) {
    case 'systemd':
      return readAs(await readCredential(source.name, env), `the credential ${source.name}`);
    case 'passphrase':
      if (passphrase !== undefined) return readAs(await passphrase(forNew), 'the passphrase');
      throw new Fault('SECRET_UNAVAILABLE', {
        detail: 'the vault is locked by a passphrase, and nobody is at a terminal to type it',
        hint: 'give it by [secrets.vault] key = "file:PATH" or "systemd:NAME" in mcpd.toml',
      });
    case 'file':
    case undefined: {
      const path = source?.path ?? defaultKeyFile(env);
      await finish(path);
      const text = readOurs(path, { bytesMax: keyFileBytesMax, closed: 'to everybody' })?.toString('utf8');
      if (text !== undefined) {
        // Made by a command that may have been killed before the disk had it: a vault must not stand on a key that goes.
        if (forNew) await settle(path).catch((cause: unknown) => Promise.reject(notKept(path, cause)));
        return readAs(text.replace(/\r?\n$/, ''), path);
      }
      if (forNew) return makeKeyFile(path);
      // Made anew, it would open nothing, and hide that the right one is missing.
      throw new Fault('SECRET_UNAVAILABLE', {
        detail: `the key of the vault is missing: there is no ${path}`,
        hint: 'bring it back from a backup; without it the values are lost: docs/secrets.md, "When the key is lost"',
      });
    }
  }
}

/** The key that seals the data key. */
export async function sealingKey({ from, text }: OwnersKey, salt: string): Promise<Buffer> {
  const salted = Buffer.from(salt, 'base64');
  if (from === 'key')
    return Buffer.from(hkdfSync('sha256', Buffer.from(text, 'hex'), salted, 'mcpd vault owner', 32));
  return new Promise((resolve, reject) =>
    scrypt(text.normalize('NFC'), salted, 32, cost, (reason, key) =>
      reason === null ? resolve(key) : reject(reason),
    ),
  );
}

export function freshSalt(): string {
  return randomBytes(16).toString('base64');
}

function readAs(text: string, where: string): OwnersKey {
  if (/^[0-9a-f]{64}$/.test(text)) return { from: 'key', text };
  if (text.length >= passphraseCharsMin) return { from: 'passphrase', text };
  throw new Fault('SECRET_UNAVAILABLE', {
    detail: `${where} is too short to keep a vault closed`,
    hint: `at least ${passphraseCharsMin} characters; or 64 hex digits: openssl rand -hex 32`,
  });
}

async function makeKeyFile(path: string): Promise<OwnersKey> {
  const folder = dirname(path);
  const text = randomBytes(32).toString('hex');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { mode, uid } = await stat(folder);
    const foreign = process.getuid !== undefined && uid !== process.getuid() && uid !== 0;
    // Whoever may write there could put a key of their own in its place before the vault is made.
    if (foreign || (mode & 0o022) !== 0)
      throw new Fault('SECRET_UNAVAILABLE', {
        detail: `others may put files into ${folder}, where the key of the vault belongs`,
        hint: `chown "$(id -u)" ${folder} && chmod 700 ${folder}`,
      });
    // Written, then named: a kill or a full disk in between leaves no empty key in the way. Of two commands at once one makes it,
    // and the other is told to try again.
    const fresh = `${path}.${randomUUID()}.new`;
    try {
      await writeFile(fresh, `${text}\n`, { flag: 'wx', mode: 0o600, flush: true });
      await link(fresh, path).catch((reason: unknown) => {
        // A file system without links: a copy, and as much an error where there is one already.
        if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes((reason as NodeJS.ErrnoException).code ?? ''))
          throw reason;
        return copyFile(fresh, path, constants.COPYFILE_EXCL);
      });
    } finally {
      await rm(fresh, { force: true });
    }
    await settle(path);
  } catch (cause) {
    throw cause instanceof Fault ? cause : notKept(path, cause);
  }
  return { from: 'key', text };
}

function notKept(path: string, cause: unknown): Fault {
  const { code } = cause as NodeJS.ErrnoException;
  return new Fault('SECRET_UNAVAILABLE', {
    detail: `the key of the vault cannot be written to ${path} (${code ?? 'unknown error'})`,
    hint: 'name another place in mcpd.toml: [secrets.vault] key = "file:PATH"',
    cause,
  });
}

/** A command that was killed when it had named the key left the other name too, and a file with two names is refused. */
async function finish(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat?.nlink !== 2 || !stat.isFile()) return;
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((it) => it.startsWith(`${basename(path)}.`) && it.endsWith('.new'))) {
    const other = await lstat(join(folder, name)).catch(() => undefined);
    if (other?.ino === stat.ino && other.dev === stat.dev) await rm(join(folder, name), { force: true });
  }
}

/** On the disk, and its name too. */
async function settle(path: string): Promise<void> {
  await flush(path);
  await flush(dirname(path)).catch((reason: unknown) => {
    // A folder that we may not list, or on a file system that cannot do it: then the name is as sure as it gets.
    if (!['EACCES', 'EINVAL', 'ENOTSUP'].includes((reason as NodeJS.ErrnoException).code ?? '')) throw reason;
  });
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
