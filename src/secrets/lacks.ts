import { Waits, type After } from './waits.ts';

/** Reference → why it has no value. */
type Lack = ReadonlyMap<string, string>;

export type LacksParts = {
  readonly after: After | undefined;
  readonly retry: (server: string) => void;
  /** Whether all of these have a value now. */
  readonly canBeHad: (references: readonly string[]) => Promise<boolean>;
};

/** Servers that wait for a secret. They are started when it is there, and not to fail again: until then it is looked for quietly. */
export class Lacks {
  readonly #parts: LacksParts;
  readonly #all = new Map<string, Lack>();
  readonly #waits: Waits;

  constructor(parts: LacksParts) {
    this.#parts = parts;
    this.#waits = new Waits(parts.after);
  }

  note(server: string, lack: Lack): void {
    this.#all.set(server, lack);
    this.#waits.again(server, () => void this.#look(server));
  }

  forget(server: string): void {
    this.#all.delete(server);
    this.#waits.cancel(server);
  }

  keepOnly(fits: (server: string) => boolean): void {
    for (const server of [...this.#all.keys()]) if (!fits(server)) this.forget(server);
  }

  /** The servers that wait for it, by name. */
  of(reference: string): readonly string[] {
    const waiting = [...this.#all].filter(([, it]) => it.has(reference));
    return waiting.map(([server]) => server).toSorted();
  }

  because(server: string, reference: string): string | undefined {
    return this.#all.get(server)?.get(reference);
  }

  close(): void {
    this.#waits.close();
  }

  async #look(server: string): Promise<void> {
    const lack = this.#all.get(server);
    if (lack === undefined) return;
    const isThere = await this.#parts.canBeHad([...lack.keys()]);
    // Removed, started or stopped meanwhile.
    if (this.#all.get(server) !== lack) return;
    if (isThere) this.#parts.retry(server);
    else this.#waits.again(server, () => void this.#look(server));
  }
}
