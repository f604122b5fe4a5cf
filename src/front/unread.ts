import type { Socket } from 'node:net';

export type UnreadTerms = { readonly readWithinMs: number; readonly allUnreadBytesMax: number };

/** What a reader had taken when it last took something. */
type Progress = { taken: number; sinceMs: number };

/**
 * Finds the readers that do not read, in rounds over all connections: `begin`, `see` each, `end`. What is unread is held by us;
 * one reader's share is bounded where it is written (`stream.ts`), this bounds how long it may lie, and all of it together.
 * Seen from outside, because to count each write would cost every call. Times are steady milliseconds, handed in.
 */
export class Unread {
  /** Readers that were let go. */
  letGo = 0;
  readonly #terms: UnreadTerms;
  readonly #progress = new WeakMap<Socket, Progress>();
  /** With something unread, in this round. */
  #readers: Socket[] = [];
  #bytes = 0;
  #nowMs = 0;

  constructor(terms: UnreadTerms) {
    this.#terms = terms;
  }

  begin(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#readers = [];
    this.#bytes = 0;
  }

  see(socket: Socket): void {
    const unread = socket.writableLength;
    if (unread === 0) {
      if (this.#progress.has(socket)) this.#progress.delete(socket);
      return;
    }
    const taken = socket.bytesWritten - unread;
    const progress = this.#progress.get(socket);
    if (progress?.taken !== taken) this.#progress.set(socket, { taken, sinceMs: this.#nowMs });
    else if (this.#nowMs - progress.sinceMs >= this.#terms.readWithinMs) return this.#drop(socket);
    this.#bytes += unread;
    this.#readers.push(socket);
  }

  /** Where all together have left too much, those go that have left most. */
  end(): void {
    const { allUnreadBytesMax } = this.#terms;
    if (this.#bytes > allUnreadBytesMax) {
      this.#readers.sort((one, other) => other.writableLength - one.writableLength);
      for (const socket of this.#readers) {
        // Well below, so that the next round does not find the same.
        if (this.#bytes <= allUnreadBytesMax / 2) break;
        this.#bytes -= socket.writableLength;
        this.#drop(socket);
      }
    }
    this.#readers = [];
  }

  #drop(socket: Socket): void {
    this.letGo++;
    socket.destroy();
  }
}
