import { Fault } from '../domain/faults.ts';
import { withLock } from '../files/lock.ts';
import { readOurs } from '../files/ours.ts';
import { replaceWhole } from '../files/replace.ts';
import {
  entriesMax,
  newVaultFile,
  openEntry,
  printVaultFile,
  readVaultFile,
  unlocked,
  withEntry,
  withoutEntry,
  type VaultEntry,
  type VaultFile,
} from './vault-file.ts';
import { freshSalt, ownersKey, sealingKey, type KeyParts, type OwnersKey } from './vault-key.ts';

/** 1000 values of 64 KiB would be more; nobody keeps that in one file. */
const fileBytesMax = 32 * 1024 * 1024;

export type VaultParts = KeyParts & {
  /** Absolute path of the file. */
  readonly path: string;
  readonly wallMs: () => number;
};

/** What may be known about a value without it. */
export type Kept = { readonly name: string; readonly setAt: string };

/**
 * The encrypted file of secrets. Opened for each question and closed again: whatever a command puts in is there for the next
 * start of a server. Throws `SECRET_UNAVAILABLE` when the key is missing or wrong, `CONFIG_INVALID` when the file is not as
 * mcpd left it; it is never taken for empty.
 */
export class Vault {
  readonly #parts: VaultParts;
  /** A passphrase takes tenths of a second, and its key serves for every question about the same file. */
  #derived: { readonly text: string; readonly salt: string; readonly key: Buffer } | undefined;

  constructor(parts: VaultParts) {
    this.#parts = parts;
  }

  get path(): string {
    return this.#parts.path;
  }

  /** What the file says it holds. Needs no key, so it is only as true as the file; `check` knows. */
  async names(): Promise<readonly Kept[]> {
    const file = await this.#read();
    return (file?.entries ?? []).map(({ name, setAt }) => ({ name, setAt }));
  }

  /** The values of these names; what is not there is missing. */
  async get(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const file = await this.#read();
    if (file === undefined) return new Map();
    const dataKey = await this.#open(file);
    return new Map(
      file.entries
        .filter(({ name }) => names.includes(name))
        .map((entry) => [entry.name, this.#valueOf(file, entry, dataKey)]),
    );
  }

  /** Opens everything. The number of values, or undefined when there is no vault yet. */
  async check(): Promise<number | undefined> {
    const file = await this.#read();
    if (file === undefined) return undefined;
    const dataKey = await this.#open(file);
    for (const entry of file.entries) this.#valueOf(file, entry, dataKey);
    return file.entries.length;
  }

  /** Makes the vault, and a key file, when there is none. */
  async set(name: string, value: string): Promise<'stored' | 'replaced'> {
    const early = await this.#askEarly();
    return withLock(`${this.#parts.path}.lock`, async (mustHold) => {
      const before = await this.#read();
      const { file, dataKey } =
        before === undefined
          ? await this.#make(early)
          : { file: before, dataKey: await this.#open(before, early) };
      const isThere = file.entries.some((entry) => entry.name === name);
      if (!isThere && file.entries.length >= entriesMax)
        throw new Fault('SECRET_UNAVAILABLE', {
          detail: `${entriesMax} secrets are kept already`,
          hint: 'mcpd secret rm NAME',
        });
      const setAt = new Date(this.#parts.wallMs()).toISOString();
      const changed = withEntry(file, dataKey, name, value, setAt);
      mustHold();
      this.#write(changed);
      return isThere ? 'replaced' : 'stored';
    });
  }

  async remove(name: string): Promise<'removed' | 'absent'> {
    if (!(await this.names()).some((kept) => kept.name === name)) return 'absent';
    const early = await this.#askEarly();
    return withLock(`${this.#parts.path}.lock`, async (mustHold) => {
      const file = await this.#read();
      if (file?.entries.some((entry) => entry.name === name) !== true) return 'absent';
      const dataKey = await this.#open(file, early);
      const changed = withoutEntry(file, dataKey, name);
      mustHold();
      this.#write(changed);
      return 'removed';
    });
  }

  /** A person takes their time, and nobody else should wait for the lock meanwhile. */
  async #askEarly(): Promise<OwnersKey | undefined> {
    if (this.#parts.source?.kind !== 'passphrase') return undefined;
    return ownersKey(this.#parts, (await this.#read()) === undefined);
  }

  async #make(early: OwnersKey | undefined): Promise<{ file: VaultFile; dataKey: Buffer }> {
    const key = early ?? (await ownersKey(this.#parts, true));
    const salt = freshSalt();
    return newVaultFile(await this.#derive(key, salt), key.from, salt);
  }

  async #read(): Promise<VaultFile | undefined> {
    const text = readOurs(this.#parts.path, { bytesMax: fileBytesMax, closed: 'to everybody' })?.toString(
      'utf8',
    );
    if (text === undefined) return undefined;
    const read = readVaultFile(text);
    if (read.ok) return read.file;
    throw this.#unsound(read.what);
  }

  async #open(file: VaultFile, early?: OwnersKey): Promise<Buffer> {
    const key = early ?? (await ownersKey(this.#parts, false));
    const opened = unlocked(file, await this.#derive(key, file.key.salt));
    if (opened.ok) return opened.dataKey;
    if (!opened.wrongKey) throw this.#unsound(opened.what);
    throw new Fault('SECRET_UNAVAILABLE', {
      detail: `the vault ${this.#parts.path} ${opened.what}${
        key.from === file.key.from ? '' : `: it was closed with a ${file.key.from}, and this is a ${key.from}`
      }`,
      hint: 'see [secrets.vault] in mcpd.toml, and bring the right key back; or the vault is damaged: docs/secrets.md',
    });
  }

  async #derive(key: OwnersKey, salt: string): Promise<Buffer> {
    const known = this.#derived;
    if (known?.text === key.text && known.salt === salt) return known.key;
    const made = await sealingKey(key, salt);
    this.#derived = { text: key.text, salt, key: made };
    return made;
  }

  #valueOf(file: VaultFile, entry: VaultEntry, dataKey: Buffer): string {
    const value = openEntry(file, entry, dataKey);
    // The code over the whole file has been right, so this is a mistake of ours rather than somebody's hand.
    if (value === undefined) throw this.#unsound(`holds ${entry.name}, which does not open`);
    return value;
  }

  #write(file: VaultFile): void {
    replaceWhole(this.#parts.path, printVaultFile(file));
  }

  #unsound(what: string): Fault {
    const { path } = this.#parts;
    return new Fault('CONFIG_INVALID', {
      detail: `the vault ${path} ${what}`,
      hint: `bring it back from a backup; or start over: mv ${path} ${path}.damaged, then mcpd secret set NAME for each`,
    });
  }
}
