/**
 * Secrets made to be looked for. Every daemon of the tests is given some, and when it goes, they are searched for wherever
 * somebody else could read them. A find fails the test that owns the daemon.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Needle, scanFile, scanTree } from './canary-forms.ts';

/** The variable in which each server is given its canary, and the one that stands in the daemon's own environment. */
export const canaryVariable = 'TEST_CANARY';
export const shellVariable = 'TEST_CANARY_OF_THE_SHELL';

/** By which a process is known as a server that mcpd started; see `src/fleet/environment.ts`. */
const cookieName = 'SUPERVISED_BY=';
const findsMax = 20;

/** What the search came to, a file for each daemon in the folder that `run-tests.ts` names. */
export type Searched = { readonly canaries: number; readonly places: number; readonly found: number };

export class Canaries {
  /** What all canaries of one daemon begin with: one search finds them all. */
  readonly mark = alnum(24);
  /** In the daemon's own environment, as a password in the shell that started it would be. */
  readonly shell = this.#grow();
  readonly found: string[] = [];
  readonly #dir: string;
  readonly #needle = new Needle(this.mark);
  readonly #servers = new Map<string, string>();
  readonly #keys = new Map<string, Needle>();
  readonly #tap: string | undefined;
  #places = 0;
  #closed = false;

  /** `dir`: the folder of one test's daemon. */
  constructor(dir: string) {
    this.#dir = dir;
    const { MCPD_TEST_TAP } = process.env;
    if (MCPD_TEST_TAP !== undefined) this.#tap = mkdtempSync(join(dirname(MCPD_TEST_TAP), 'daemon-'));
  }

  /** For the daemon and for every command of the operator. */
  get env(): Record<string, string> {
    const tap = this.#tap === undefined ? {} : { MCPD_TEST_TAP: this.#tap };
    return { ...tap, [shellVariable]: this.shell };
  }

  /** The text of a server file with one more secret; as it is where its secrets are written in another form. */
  inServer(name: string, text: string): string {
    if (/^\s*secrets\s*[.=]/m.test(text) || text.includes(canaryVariable)) return text;
    const file = join(this.#dir, `canary-${name}`);
    if (!this.#servers.has(name)) {
      this.#servers.set(name, this.#grow());
      writeFileSync(file, this.canaryOf(name), { mode: 0o600 });
    }
    const line = `${canaryVariable} = "file:${file}"`;
    return /^\[secrets\]$/m.test(text)
      ? text.replace(/^\[secrets\]$/m, () => `[secrets]\n${line}`)
      : `${text}\n[secrets]\n${line}\n`;
  }

  canaryOf(server: string): string {
    return this.#servers.get(server) ?? '';
  }

  /** A caller's key is one too: the daemon sees it with every call, and may not keep it nor hand it on. */
  addKey(key: string): void {
    // The first part may be shown.
    this.#keys.set(key, new Needle(key.slice(-43)));
  }

  /** Searches a text that somebody outside has read. The canaries of servers and shell only: a caller knows its own key. */
  look(place: string, text: string | Buffer): void {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    // Of somebody else's process nothing can be read; that is no place that was searched.
    if (bytes.length === 0) return;
    this.#places++;
    this.#note(place, this.#needle.in(bytes));
  }

  /** The same, for the keys of callers as well. */
  lookForAll(place: string, text: string | Buffer): void {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    this.look(place, bytes);
    for (const [key, needle] of this.#keys)
      this.#note(`${place} (key ${key.slice(5, 13)})`, needle.in(bytes));
  }

  /** Every process there is: the command line of all, the environment of all but the one the secret is meant for. */
  lookAtProcesses(proc = '/proc'): void {
    for (const pid of readdirSync(proc)) {
      if (!/^\d+$/.test(pid)) continue;
      const environ = readOr(`${proc}/${pid}/environ`);
      const isServer = environ.includes(cookieName);
      const look = isServer ? this.lookForAll.bind(this) : this.look.bind(this);
      look(`the command line of process ${pid}`, readOr(`${proc}/${pid}/cmdline`));
      look(`the environment of process ${pid}`, this.#withoutIntended(environ, isServer));
    }
  }

  /** An environment without what has to stand there: of a server its own secret, under whatever names, and no other's. */
  #withoutIntended(environ: Buffer, isServer: boolean): Buffer {
    if (!environ.includes(this.mark)) return environ;
    const entries = environ.toString().split('\0');
    const ends = isServer ? [...this.#servers.values()].map((value) => `=${value}`) : [`=${this.shell}`];
    const intended = ends.find((end) => entries.some((entry) => entry.endsWith(end)));
    if (intended === undefined) return environ;
    return Buffer.from(entries.filter((entry) => !entry.endsWith(intended)).join('\0'));
  }

  /** Everything the daemon has left on the disk, what went to its servers, and what a crash would leave in `cwd`. */
  lookAtFiles(state: string, cwd: string): void {
    // Files of the test itself may hold a key, so those are searched for only in what the daemon and its servers wrote.
    const own = (path: string) =>
      path.startsWith(`${state}/`) || path.includes('/pm2/') || /(?:\.raw|raw\.log)$/.test(path);
    const canaryFiles = new Set([...this.#servers.keys()].map((name) => join(this.#dir, `canary-${name}`)));
    scanTree(this.#dir, (path) => {
      if (!canaryFiles.has(path)) this.#scan(path, own(path));
    });
    if (this.#tap !== undefined) scanTree(this.#tap, (path) => this.#scan(path, true));
    for (const name of readdirSync(cwd))
      if (/^(core(\.\d+)?|report\..*\.json|.*\.heapsnapshot|.*\.heapprofile)$/.test(name))
        this.#scan(join(cwd, name), true);
  }

  #scan(path: string, forKeys: boolean): void {
    this.#places++;
    const needles = forKeys ? [this.#needle, ...this.#keys.values()] : [this.#needle];
    const shown = path.replace(`${this.#dir}/`, '');
    for (const find of scanFile(path, needles)) this.#note(shown, find);
  }

  #note(place: string, form: string | undefined): void {
    if (form !== undefined && this.found.length < findsMax) this.found.push(`${place}, ${form}`);
  }

  /** Writes down what was searched, and throws when something was found. The daemon's folder may be gone by now. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const canaries = this.#servers.size + this.#keys.size + 1;
    const { MCPD_TEST_CANARIES } = process.env;
    if (MCPD_TEST_CANARIES !== undefined) {
      const searched: Searched = { canaries, places: this.#places, found: this.found.length };
      mkdirSync(MCPD_TEST_CANARIES, { recursive: true });
      writeFileSync(join(MCPD_TEST_CANARIES, randomBytes(12).toString('hex')), JSON.stringify(searched));
    }
    if (this.found.length > 0) throw new Error(`a secret was found in:\n${this.found.join('\n')}`);
  }

  /** With what URL, JSON and shell write differently after the mark. */
  #grow(): string {
    return `${this.mark}"\\/+%&é${alnum(16)}`;
  }
}

/** Reads and removes what the daemons of a run wrote down. */
export function sumUp(dir: string): Searched & { readonly daemons: number } {
  let [daemons, canaries, places, found] = [0, 0, 0, 0];
  for (const file of readdirSync(dir)) {
    const one = JSON.parse(readFileSync(join(dir, file), 'utf8')) as Searched;
    daemons++;
    canaries += one.canaries;
    places += one.places;
    found += one.found;
  }
  rmSync(dir, { recursive: true, force: true });
  return { daemons, canaries, places, found };
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** About six random bits for each character; no bias worth speaking of. */
function alnum(length: number): string {
  return Array.from(randomBytes(length), (byte) => letters[byte % letters.length]).join('');
}

/** Empty when the process is gone or somebody else's. */
function readOr(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
