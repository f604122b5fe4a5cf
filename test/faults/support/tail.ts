import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestDaemon } from '../../support/daemon.ts';

const chunkBytes = 1024 * 1024;

/** Reads what was added to a file since the last look, whole lines only. */
export class Tail {
  readonly path: string;
  #offset = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Lines without their LF. A line that is not finished comes with the next look. */
  read(take: (line: Buffer) => void): void {
    if (!existsSync(this.path)) return;
    const fd = openSync(this.path, 'r');
    try {
      let rest = Buffer.alloc(0);
      for (;;) {
        const chunk = Buffer.alloc(chunkBytes);
        const length = readSync(fd, chunk, 0, chunkBytes, this.#offset + rest.length);
        if (length === 0) return;
        rest = Buffer.concat([rest, chunk.subarray(0, length)]);
        let from = 0;
        for (let at = rest.indexOf(10, from); at >= 0; at = rest.indexOf(10, from)) {
          take(rest.subarray(from, at));
          from = at + 1;
        }
        this.#offset += from;
        rest = rest.subarray(from);
      }
    } finally {
      closeSync(fd);
    }
  }
}

export type Entry = Readonly<Record<string, unknown>>;

/**
 * Reads the journal as it grows, over all of its files and all lives of the daemon, and holds every line against the one
 * before it: a reader of its own, so that a mistake in `mcpd audit verify` does not hide one in the journal.
 */
export class JournalTail {
  readonly #daemon: TestDaemon;
  readonly #tails = new Map<string, Tail>();
  #seq = 0;
  #hash: string | undefined;
  /** What was wrong, in words. */
  readonly wrong: string[] = [];
  /** Correlation ids with an intent, and with an outcome that the call came to. */
  readonly intents = new Set<string>();
  readonly outcomes = new Map<string, string>();
  /** What stands in `resources` under `text`, of every intent: text → correlation id. */
  readonly texts = new Map<string, string>();
  /** Name of what a call aimed at → intents. */
  readonly targets = new Map<string, number>();
  /** Marks that the journal makes about itself: kind → how often. */
  readonly marks = new Map<string, number>();
  records = 0;
  #each: (entry: Entry) => void;

  constructor(daemon: TestDaemon, each: (entry: Entry) => void = () => undefined) {
    this.#daemon = daemon;
    this.#each = each;
  }

  read(): this {
    const dir = join(this.#daemon.state, 'audit');
    const files = existsSync(dir) ? readdirSync(dir).filter((name) => name.startsWith('journal-')) : [];
    for (const name of files.sort()) {
      const tail = this.#tails.get(name) ?? new Tail(join(dir, name));
      this.#tails.set(name, tail);
      tail.read((line) => this.#take(name, line));
    }
    return this;
  }

  get bytes(): number {
    return [...this.#tails.values()].reduce((all, { path }) => all + statSync(path).size, 0);
  }

  #take(file: string, line: Buffer): void {
    let entry: Entry;
    try {
      entry = JSON.parse(line.toString('utf8')) as Entry;
    } catch {
      this.#say(
        `${file}: a line that is no JSON after record ${this.#seq}: ${line.toString('utf8').slice(0, 80)}`,
      );
      return;
    }
    this.records++;
    const { seq, prev } = entry;
    if (seq !== this.#seq + 1) this.#say(`${file}: record ${String(seq)} comes after ${this.#seq}`);
    if (typeof prev === 'string' && this.#hash !== undefined && prev !== this.#hash)
      this.#say(`${file}: record ${String(seq)} is not chained to the one before it`);
    this.#seq = Number(seq);
    this.#hash = createHash('sha256').update(line).digest('base64url');
    this.#note(entry);
    this.#each(entry);
  }

  #note(entry: Entry): void {
    const { kind, id } = entry;
    if (kind === 'decision' && typeof id === 'string') {
      this.intents.add(id);
      const { name = '' } = (entry['target'] ?? {}) as { name?: string };
      this.targets.set(name, (this.targets.get(name) ?? 0) + 1);
      const text = (entry['resources'] as { text?: unknown } | undefined)?.text;
      if (typeof text === 'string') this.texts.set(text, id);
    } else if (kind === 'outcome' && typeof id === 'string') this.outcomes.set(id, String(entry['outcome']));
    else if (typeof kind === 'string' && !['command', 'upcall', 'sign-ins'].includes(kind))
      this.marks.set(kind, (this.marks.get(kind) ?? 0) + 1);
  }

  #say(what: string): void {
    if (this.wrong.length < 20) this.wrong.push(what);
  }

  /** Calls that went out and have no end on record. */
  endless(): string[] {
    return [...this.intents].filter((id) => !this.outcomes.has(id));
  }
}

export type Sent = { readonly name: string; readonly text: string };

/** What servers with `FX_RAW` were told to do, as they read it from their stdin. */
export class RawTail {
  readonly #tail: Tail;
  /** Text of a call → how often it reached a server. */
  readonly texts = new Map<string, { readonly tool: string; count: number }>();
  /** Tool → how many calls of it. */
  readonly tools = new Map<string, number>();
  /** Lines that could not be read: two children write to one file, and a kill may tear a line. */
  odd = 0;

  constructor(path: string) {
    this.#tail = new Tail(path);
  }

  read(): this {
    this.#tail.read((line) => this.#take(line.toString('utf8')));
    return this;
  }

  #take(line: string): void {
    let message: { method?: string; params?: { name?: string; arguments?: { text?: string } } };
    try {
      message = JSON.parse(line) as typeof message;
    } catch {
      if (line !== '') this.odd++;
      return;
    }
    if (message.method !== 'tools/call') return;
    const { name = '', arguments: args } = message.params ?? {};
    const text = args?.text ?? '';
    const found = this.texts.get(text);
    if (found === undefined) this.texts.set(text, { tool: name, count: 1 });
    else found.count++;
    this.tools.set(name, (this.tools.get(name) ?? 0) + 1);
  }
}
