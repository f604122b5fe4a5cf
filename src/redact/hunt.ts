import type { Work } from './drive.ts';
import type { Budget } from './encoded.ts';
import { hasReferences, readings, type Reading } from './references.ts';
import { Runs } from './runs.ts';
import type { Search } from './search.ts';
import type { Span } from './shapes.ts';
import type { Hit } from './splice.ts';

/** What it means that a literal stands somewhere, and how to see whether a secret begins there. */
export type Meaning = {
  readonly name: string;
  readonly find: (runs: Runs, at: number, literal: string, budget: Budget) => Span | undefined;
};

/** So much is looked through in one go; some milliseconds at the most, so that small calls go on beside large ones. */
export const sliceCharsMax = 256 * 1024;
/** A word such as `Bearer` and the run it stands before may lie on either side of a cut. */
const aroundChars = 96;

/** Looks through a text for secrets, slice by slice. */
export class Hunt {
  readonly #text: string;
  readonly #search: Search<Meaning>;
  // Made when the first literal is found: most texts hold none, and there are many of them.
  #runs: Runs | undefined;
  #budget: Budget | undefined;
  #latest: Map<string, Hit> | undefined;
  #hits: Hit[] | undefined;
  #at = 0;
  #readings: Iterator<Reading, void> | undefined;
  #inner = 0;
  readonly #isInner: boolean;

  /** `isInner`: a text that was read out of another one. */
  constructor(text: string, search: Search<Meaning>, isInner = false) {
    this.#isInner = isInner;
    this.#text = text;
    this.#search = search;
  }

  get hits(): readonly Hit[] {
    return this.#hits ?? none;
  }

  /** Characters looked at behind literals so far: the measure of the work, for tests. */
  get steps(): number {
    return (this.#runs?.steps ?? 0) + this.#inner;
  }

  /** Looks through the next slice. False when that was the last one. */
  step(): boolean {
    if (this.#readings !== undefined) return this.#stepInside(this.#readings);
    if (this.#slice()) return true;
    // Undone once only: what is written so twice over is nothing that a reader would see.
    if (this.#isInner || !hasReferences(this.#text)) return false;
    const found = readings(this.#text, this.#search.charsMax);
    this.#readings = found;
    return this.#text.length > sliceCharsMax || this.#stepInside(found);
  }

  /** What is written in HTML character references, some stretches of it. */
  #stepInside(found: Iterator<Reading, void>): boolean {
    for (let chars = 0; chars < sliceCharsMax / 4;) {
      const next = found.next();
      if (next.done === true) return false;
      const { text, spanOf } = next.value;
      const inner = new Hunt(text, this.#search, true);
      while (inner.step());
      for (const hit of inner.hits) (this.#hits ??= []).push({ ...hit, ...spanOf(hit.from, hit.to) });
      this.#inner += inner.steps + text.length;
      chars += text.length;
    }
    return true;
  }

  #slice(): boolean {
    const { length } = this.#text;
    const from = this.#at;
    const to = Math.min(length, from + sliceCharsMax);
    this.#at = to;
    if (from === 0 && to === length) {
      this.#search.run(this.#text, (meaning, at, literal) => this.#found(meaning, at, literal));
      return false;
    }
    // A literal belongs to the slice that it begins in; what is looked at reaches over both ends.
    const begin = Math.max(0, from - aroundChars);
    const piece = this.#text.slice(begin, Math.min(length, to + aroundChars + this.#search.charsMax));
    this.#search.run(piece, (meaning, at, literal) => {
      const place = begin + at;
      if (place >= from && place < to) this.#found(meaning, place, literal);
    });
    return to < length;
  }

  #found({ name, find }: Meaning, at: number, literal: string): void {
    // What lies inside a find of its own kind is found; to look again at each begin in a long key would cost its length.
    const last = this.#latest?.get(name);
    if (last !== undefined && at >= last.from && at + literal.length <= last.to) return;
    this.#runs ??= new Runs(this.#text);
    this.#budget ??= { left: 1024 + (this.#text.length >>> 8) };
    const span = find(this.#runs, at, literal, this.#budget);
    if (span === undefined) return;
    const hit = { ...span, name };
    (this.#latest ??= new Map()).set(name, hit);
    (this.#hits ??= []).push(hit);
  }
}

const none: readonly Hit[] = [];

/** The whole text, slice by slice. */
export function* huntInSteps(text: string, search: Search<Meaning>): Work<readonly Hit[]> {
  const all = new Hunt(text, search);
  while (all.step()) yield;
  return all.hits;
}

/** The whole text at once. */
export function hunt(text: string, search: Search<Meaning>): readonly Hit[] {
  const all = new Hunt(text, search);
  while (all.step());
  return all.hits;
}
