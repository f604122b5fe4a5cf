import type { Notice } from '../domain/message.ts';

/** At most so many kinds are told apart; MCP has three `list_changed`. */
const kindsMax = 8;

/**
 * Passes on the first notice of a kind at once and, when more come, one at the end of each interval: a storm of
 * `list_changed` would otherwise make every client list everything ten thousand times.
 */
export class Coalescer {
  readonly #everyMs: number;
  readonly #pass: (notice: Notice) => void;
  readonly #resting = new Map<string, { timer: NodeJS.Timeout; next: Notice | undefined }>();

  constructor(everyMs: number, pass: (notice: Notice) => void) {
    this.#everyMs = everyMs;
    this.#pass = pass;
  }

  hear(notice: Notice): void {
    const rest = this.#resting.get(notice.method);
    if (rest !== undefined) {
      rest.next = notice;
      return;
    }
    if (this.#resting.size >= kindsMax) return;
    this.#rest(notice.method);
    this.#pass(notice);
  }

  stop(): void {
    for (const { timer } of this.#resting.values()) clearTimeout(timer);
    this.#resting.clear();
  }

  #rest(method: string): void {
    const timer = setTimeout(() => {
      const next = this.#resting.get(method)?.next;
      this.#resting.delete(method);
      if (next === undefined) return;
      this.#rest(method);
      this.#pass(next);
    }, this.#everyMs);
    this.#resting.set(method, { timer, next: undefined });
  }
}

export function isListChanged(notice: Notice): boolean {
  return notice.method.endsWith('/list_changed');
}
