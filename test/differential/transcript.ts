import { at, readTree, writeTree, type Node } from '../support/oracle.ts';

/** One message that the client saw, and the stream that brought it. */
export type Seen = { readonly stream: string; readonly message: Node };

/** Everything a client sends and sees while a script is played. */
export class Transcript {
  readonly sent: Node[] = [];
  readonly seen: Seen[] = [];
  readonly #waiting = new Set<() => void>();
  #broken: Error | undefined;

  /** Notes a message from the server; gives it back, read. */
  hear(stream: string, text: string): Node {
    const message = readTree(text);
    if (message?.kind !== 'object')
      throw new Error(`${stream} brought something else than an object: ${text}`);
    this.seen.push({ stream, message });
    this.#wake();
    return message;
  }

  /** Something came to an end that should not have; every wait fails with it. */
  break(why: unknown): void {
    this.#broken ??= why instanceof Error ? why : new Error(String(why));
    this.#wake();
  }

  /** Throws when the conversation broke. */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }

  /** Resolves when `isSo`; rejects when the conversation broke, or after `withinMs`. */
  until(what: string, isSo: () => boolean, withinMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(late);
        this.#waiting.delete(look);
        settle();
      };
      const look = () => {
        const broken = this.#broken;
        if (isSo()) done(resolve);
        else if (broken !== undefined)
          done(() => reject(new Error(`${what}: ${broken.message}`, { cause: broken })));
      };
      const late = setTimeout(
        () => done(() => reject(new Error(`${what}: not within ${withinMs} ms`))),
        withinMs,
      );
      this.#waiting.add(look);
      look();
    });
  }

  isAnswered(id: string): boolean {
    return this.seen.some(({ message }) => isAnswer(message) && idOf(message) === id);
  }

  /** The string at a path in an answer. Throws where there is none. */
  textOf(id: string, path: readonly string[]): string {
    const answer = this.seen.find(({ message }) => isAnswer(message) && idOf(message) === id);
    const found = at(answer?.message, ...path);
    if (found?.kind !== 'string') throw new Error(`the answer to ${id} has no text at ${path.join('.')}`);
    return found.value;
  }

  count(method: string): number {
    return this.seen.filter(({ message }) => methodOf(message) === method).length;
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }
}

/** How the stream is named that belongs to one request. */
export function streamOf(id: string): string {
  return `request ${id}`;
}

/** The id as it is written, so that 1 and "1" are two. */
export function idOf(message: Node): string | undefined {
  const id = at(message, 'id');
  return id === undefined ? undefined : writeTree(id);
}

export function methodOf(message: Node): string | undefined {
  const method = at(message, 'method');
  return method?.kind === 'string' ? method.value : undefined;
}

export function isAnswer(message: Node): boolean {
  return methodOf(message) === undefined && at(message, 'id') !== undefined;
}

export function isRequest(message: Node): boolean {
  return methodOf(message) !== undefined && at(message, 'id') !== undefined;
}
