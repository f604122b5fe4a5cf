import { createHash } from 'node:crypto';
import { Fault } from '../domain/faults.ts';
import type { Database } from './database.ts';

/**
 * One part of the state in the database, with its version and its seal (the table `parts`). A change goes through whole, and
 * only if the part is still as we left it: a tool or a restored copy may have changed the file under a running mcpd.
 */
export class Kept {
  readonly #database: Database;
  readonly #part: string;
  #version: number;

  /**
   * `lines`: all that the part holds, as `change` will be told it, in any order. Throws `CONFIG_INVALID` where that is not what
   * was sealed: one bit that a disk turned makes another name, and the tool that was switched off would be on.
   */
  static open(database: Database, part: string, lines: Iterable<string>): Kept {
    const row = database.get('SELECT version, seal FROM parts WHERE part = ?', part);
    const version = row?.['version'];
    if (typeof version !== 'number' || row?.['seal'] !== sealOf(version, lines))
      throw new Fault('CONFIG_INVALID', {
        detail: `the ${part} in ${database.path} are not those that mcpd wrote. mcpd does not start, because it would not know what was switched off, granted or approved.`,
        hint: 'put back a copy of the file (docs/state.md, "When it is damaged or gone")',
      });
    return new Kept(database, part, version);
  }

  private constructor(database: Database, part: string, version: number) {
    this.#database = database;
    this.#part = part;
    this.#version = version;
  }

  /** How often this part has changed, as it stands on the disk. */
  get version(): number {
    return this.#version;
  }

  /**
   * Makes a change durable, with its new version and all that the part then holds, or throws `CONFIG_INVALID`; then nothing of
   * it is there, nor will come back.
   */
  change(version: number, lines: Iterable<string>, work: (database: Database) => void): void {
    try {
      this.#database.transaction(() => {
        this.#mustBeOurs();
        sealPart(this.#database, this.#part, version, lines);
        work(this.#database);
      });
      this.#version = version;
    } catch (reason) {
      // Otherwise what an operator was told is still off might be on after a crash.
      this.#database.writeOver(() => this.#mustBeOurs());
      throw reason;
    }
  }

  #mustBeOurs(): void {
    const ours = 'UPDATE parts SET writes = writes + 1 WHERE part = ? AND version = ?';
    if (this.#database.run(ours, this.#part, this.#version) > 0) return;
    throw new Fault('CONFIG_INVALID', {
      detail: `the ${this.#part} in ${this.#database.path} were changed by something else than this mcpd`,
      hint: 'restart mcpd; it then obeys what stands in the file',
    });
  }
}

/** Gives a part its version and seal. Inside a transaction. */
export function sealPart(database: Database, part: string, version: number, lines: Iterable<string>): void {
  database.run(
    'UPDATE parts SET version = ?, seal = ? WHERE part = ?',
    ...[version, sealOf(version, lines), part],
  );
}

/** SHA-256, in hex. No secret is in it: it finds damage, not whoever may write to our files. */
export function sealOf(version: number, lines: Iterable<string>): string {
  const hash = createHash('sha256').update(`${version}\n`);
  for (const line of [...lines].sort()) hash.update(`${line}\n`);
  return hash.digest('hex');
}
