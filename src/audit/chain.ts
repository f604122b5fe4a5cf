import { hash } from 'node:crypto';

/** A record's place in the chain: its number, and the SHA-256 of its line without the line feed, base64url. */
export type Link = { readonly seq: number; readonly hash: string };

/** Where a record ends: in which file, after how many bytes. */
export type Position = Link & { readonly file: number; readonly bytes: number };

/** What the first record of all follows. */
export const genesis: Link = { seq: 0, hash: 'A'.repeat(43) };

/** The beginning of a line of ours; `prev` is undefined in the format of before there was a chain. */
export type Opening = {
  readonly seq: number;
  readonly prev: string | undefined;
  readonly kind: string | undefined;
};

const openingBytes = 128;
const roomAtFirst = 64 * 1024;
/** A buffer that one enormous group needed is not kept for all time. */
const roomKept = 1024 * 1024;

export function hashOf(line: Buffer): string {
  return hash('sha256', line, 'base64url');
}

/** Undefined for a line that is no record of ours. Numbers beyond 15 digits are not ours: they would not count exactly. */
export function openingOf(line: Buffer): Opening | undefined {
  const found = opening.exec(line.toString('latin1', 0, openingBytes));
  if (found === null) return undefined;
  return { seq: Number(found[1]), prev: found[2], kind: found[3] };
}

const opening = /^\{"seq":(\d{1,15})(?:,"prev":"([\w-]{43})")?(?:,"kind":"([a-z-]{1,24})")?[,}]/;

/**
 * Makes lines that follow each other. A text is a JSON object with a member, without `seq` and `prev` and without a
 * line feed; it gets both as its first members. The bytes are hashed where they are written: hashing strings would cost twice as much.
 */
export class Framer {
  #room = Buffer.allocUnsafeSlow(roomAtFirst);

  /** The bytes are good until the next call. */
  frame(after: Link, texts: readonly string[]): { readonly bytes: Buffer; readonly last: Link } {
    let { seq, hash: prev } = after;
    let at = 0;
    if (this.#room.length > roomKept) this.#room = Buffer.allocUnsafeSlow(roomAtFirst);
    for (const text of texts) {
      // UTF-8 takes at most three bytes for what JavaScript counts as one.
      this.#makeRoom(at, at + text.length * 3 + openingBytes);
      const room = this.#room;
      const start = at;
      at += room.write(`{"seq":${++seq},"prev":"${prev}"`, at, 'latin1');
      const brace = at;
      at += room.write(text, at, 'utf8');
      // The brace that the text begins with becomes the comma after what stands before it: no string is cut and joined.
      room[brace] = comma;
      prev = hash('sha256', room.subarray(start, at), 'base64url');
      room[at++] = lf;
    }
    return { bytes: this.#room.subarray(0, at), last: { seq, hash: prev } };
  }

  #makeRoom(used: number, wanted: number): void {
    if (wanted <= this.#room.length) return;
    const wider = Buffer.allocUnsafeSlow(Math.max(wanted, this.#room.length * 2));
    this.#room.copy(wider, 0, 0, used);
    this.#room = wider;
  }
}

const comma = 0x2c;
const lf = 0x0a;
