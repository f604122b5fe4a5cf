import { hash } from 'node:crypto';
import { closeSync, constants, ftruncateSync, renameSync, writeSync } from 'node:fs';
import { Fault } from '../domain/faults.ts';
import { openOurs, readOurs } from '../files/ours.ts';
import { bootMark, type Identity } from './process-table.ts';

/** A process of a server's. */
export type Entry = Identity & { readonly server: string };

const bytesMax = 16 * 1024 * 1024;
/** The file is written anew when it has so many lines more than it needs. */
const wasteMax = 2_000;

/**
 * Which processes are ours, for the next daemon, should this one be killed: one line for each that comes or goes. Nobody waits
 * for the disk, and a line that is lost costs nothing but the sweep by cookie. What cannot be written is told once, and the whole
 * is written anew with the next that comes or goes: a disk that was full for a moment must not hide a year of processes.
 */
export class Ledger {
  readonly #path: string;
  readonly #head: string;
  readonly #failed: (reason: unknown) => void;
  readonly #living = new Map<number, Entry>();
  #due = '';
  #lines = 0;
  /** Undefined while it cannot be written. */
  #file: number | undefined;
  #flushing = false;
  #closed = false;
  #inTrouble = false;

  /** Throws `CONFIG_INVALID` where something else lies in its place. What an earlier one wrote is gone. */
  constructor(path: string, cookie: string, failed: (reason: unknown) => void) {
    this.#path = path;
    this.#head = headOf(cookie) ?? '';
    this.#failed = failed;
    // Elsewhere than on Linux nobody could tell one process from another.
    if (this.#head === '') return;
    try {
      this.#writeAnew();
    } catch (reason) {
      if (reason instanceof Fault) throw reason;
      this.#giveUp(reason);
    }
  }

  came(it: Identity, server: string): void {
    this.#living.set(it.pid, { pid: it.pid, startTicks: it.startTicks, server });
    this.#say(`+ ${it.pid} ${it.startTicks} ${encodeURIComponent(server)}\n`);
  }

  went(it: Identity): void {
    if (this.#living.get(it.pid)?.startTicks !== it.startTicks) return;
    this.#living.delete(it.pid);
    this.#say(`- ${it.pid} ${it.startTicks}\n`);
  }

  close(): void {
    this.#flush();
    this.#closed = true;
    this.#letGo();
  }

  #say(line: string): void {
    if (this.#closed || this.#head === '') return;
    this.#due += line;
    this.#lines++;
    if (this.#flushing) return;
    this.#flushing = true;
    // Children that come together are one write.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const text = this.#due;
    this.#due = '';
    if (text === '' || this.#closed) return;
    try {
      if (this.#file === undefined || this.#lines > this.#living.size + wasteMax) this.#writeAnew();
      else writeAll(this.#file, text);
    } catch (reason) {
      this.#giveUp(reason);
    }
  }

  /** Beside the old file, and then in its place: whoever is killed meanwhile has one or the other. */
  #writeAnew(): void {
    const fresh = `${this.#path}.new`;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND;
    const file = openOurs(fresh, flags, 'to everybody');
    if (file === undefined) throw new Error(`${fresh} cannot be made`);
    try {
      ftruncateSync(file);
      const lines = [...this.#living.values()].map(
        ({ pid, startTicks, server }) => `+ ${pid} ${startTicks} ${encodeURIComponent(server)}\n`,
      );
      writeAll(file, `${this.#head}\n${lines.join('')}`);
      renameSync(fresh, this.#path);
    } catch (reason) {
      closeSync(file);
      throw reason;
    }
    this.#letGo();
    this.#file = file;
    this.#lines = this.#living.size;
    this.#inTrouble = false;
  }

  /** A full disk must not hold up a server. */
  #giveUp(reason: unknown): void {
    this.#letGo();
    if (!this.#inTrouble) this.#failed(reason);
    this.#inTrouble = true;
  }

  #letGo(): void {
    const file = this.#file;
    this.#file = undefined;
    try {
      if (file !== undefined) closeSync(file);
    } catch {
      // A disk far away says only now that it did not take what was written.
    }
  }
}

/** A disk that is nearly full takes the first bytes, and says so by their number alone. */
function writeAll(file: number, text: string): void {
  if (writeSync(file, text) !== Buffer.byteLength(text)) throw new Error('the disk takes no more bytes');
}

/**
 * What an earlier daemon had running when it wrote last; nothing where the file is of another run of the machine, another
 * container, or another state directory. Whether they still are what they were is for the reader to see. Throws
 * `CONFIG_INVALID` where the file could have been written by others: it says whom to end.
 */
export function readLedger(path: string, cookie: string): readonly Entry[] {
  const head = headOf(cookie);
  const text = readOurs(path, { bytesMax, closed: 'to everybody' })?.toString('utf8');
  if (text === undefined || head === undefined) return [];
  const [first, ...lines] = text.split('\n');
  if (first !== head) return [];
  const living = new Map<number, Entry>();
  // The last line may have been torn by the kill.
  for (const line of lines.slice(0, -1)) {
    const [, sign, pid, startTicks, server = ''] =
      /^([+-]) (\d{1,9}) (\d{1,15})(?: (\S*))?$/.exec(line) ?? [];
    if (sign === '+') living.set(Number(pid), { pid: Number(pid), startTicks: Number(startTicks), server });
    else if (sign === '-' && living.get(Number(pid))?.startTicks === Number(startTicks))
      living.delete(Number(pid));
  }
  return [...living.values()];
}

function headOf(cookie: string): string | undefined {
  const boot = bootMark();
  return boot === undefined ? undefined : `mcpd-children 1 ${boot} ${hash('sha256', cookie).slice(0, 16)}`;
}
