import { Scanner, type Entry } from './scanner.ts';
import { eachWindow } from './windows.ts';

type Found<Meaning> = (meaning: Meaning, at: number, literal: string) => void;

/** Below this, looking everywhere is cheaper than finding out where not to look. */
const windowsFromChars = 64;
/** So few literals are found sooner one after the other, by the engine's own search. */
const fewLiterals = 4;

/** Where to look for which literals, so that a large text costs little and a small one next to nothing. */
export class Search<Meaning> {
  readonly #all: Scanner<Meaning>;
  readonly #windowed: Scanner<Meaning>;
  readonly #anywhere: readonly Entry<Meaning>[];
  readonly #anywhereScanner: Scanner<Meaning>;
  /** The longest literal that is looked for. */
  readonly charsMax: number;

  constructor(entries: readonly Entry<Meaning>[]) {
    this.charsMax = entries.reduce((most, { literal }) => Math.max(most, literal.length), 0);
    this.#all = new Scanner(entries);
    this.#windowed = new Scanner(entries.filter(({ windowed }) => windowed));
    this.#anywhere = entries.filter(({ windowed }) => !windowed);
    this.#anywhereScanner = new Scanner(this.#anywhere);
  }

  run(text: string, found: Found<Meaning>): void {
    if (text.length < windowsFromChars) {
      this.#all.scan(text, found);
      return;
    }
    eachWindow(text, (from, to) => this.#windowed.scan(text, found, from, to));
    if (this.#anywhere.length > fewLiterals) this.#anywhereScanner.scan(text, found);
    else for (const entry of this.#anywhere) eachPlace(text, entry, found);
  }
}

function eachPlace<Meaning>(text: string, { literal, meaning }: Entry<Meaning>, found: Found<Meaning>): void {
  for (let at = text.indexOf(literal); at >= 0; at = text.indexOf(literal, at + 1))
    found(meaning, at, literal);
}
