import type { Work } from './drive.ts';
import type { Finding } from '../domain/decision.ts';
import { Fault } from '../domain/faults.ts';
import type { LinearRegex } from '../protocol/linear-regex.ts';
import { hunt, Hunt, type Meaning } from './hunt.ts';
import { PersonalSearch, personalDetectors } from './personal.ts';
import type { RedactRule } from './rules.ts';
import type { Search } from './search.ts';
import { splice, type Hit, type Mark } from './splice.ts';

/** Longer texts are looked through in pieces, so that nothing else waits for them. */
export const shortCharsMax = 16 * 1024;
/** Digits and blanks take the longest: some 20 ms on a slow machine. */
const pieceCharsMax = shortCharsMax;
/** A piece of the owner's patterns reaches over its end by the second number. */
const patternPieceChars = shortCharsMax;
const patternReachChars = 2 * 1024;
/** Of a longer number nobody has use for the rest. */
const numberCharsMax = 1024;
/** From so many finds in one text on, what lies between them is taken too: it costs less memory than to keep them apart. */
const hitsMax = 100_000;

type Wanted = { readonly rule: RedactRule; readonly mark: Mark | undefined };

/** Looks through one message for what the owner's rules are about, and keeps count. */
export class Inspection {
  /** Detector or rule → how often it found something. */
  readonly #found = new Map<string, number>();
  readonly #secrets = new Map<string, Wanted[]>();
  readonly #personal = new Map<string, Wanted[]>();
  readonly #numbers: PersonalSearch;
  readonly #search: PersonalSearch | undefined;
  readonly #patterns: { readonly regex: LinearRegex; readonly wanted: Wanted; readonly label: string }[] = [];
  readonly #secretSearch: Search<Meaning> | undefined;
  readonly rules: readonly RedactRule[];
  /** The rule that refuses the message. */
  blockedBy: string | undefined;

  readonly #patternCharsMax: number;
  #patternChars = 0;

  /**
   * `secretSearch`: where secrets were not taken out before. `patternCharsMax`: how much the owner's patterns may read where
   * everything else has to wait for them; the slowest of them read half a megabyte a second.
   */
  constructor(
    rules: readonly RedactRule[],
    secretSearch: Search<Meaning> | undefined,
    patternCharsMax = Number.POSITIVE_INFINITY,
  ) {
    this.#patternCharsMax = patternCharsMax;
    this.rules = rules;
    for (const rule of rules) {
      for (const name of rule.secrets) this.#want(this.#secrets, rule, name);
      for (const name of rule.personal) this.#want(this.#personal, rule, name);
      const wanted = { rule, mark: rule.mark(rule.label) };
      for (const regex of rule.regexes) this.#patterns.push({ regex, wanted, label: rule.label });
    }
    const personal = personalDetectors.filter(({ name }) => this.#personal.has(name));
    this.#search = personal.length === 0 ? undefined : new PersonalSearch(personal);
    this.#numbers = new PersonalSearch(personal.filter(({ inNumbers }) => inNumbers));
    this.#secretSearch = this.#secrets.size === 0 ? undefined : secretSearch;
  }

  /** Whether there is anything to look for in texts; fields are another matter. */
  get looksAtTexts(): boolean {
    return this.#search !== undefined || this.#patterns.length > 0 || this.#secretSearch !== undefined;
  }

  get findings(): readonly Finding[] {
    return [...this.#found].map(([name, count]) => ({ name, count }));
  }

  #want(map: Map<string, Wanted[]>, rule: RedactRule, name: string): void {
    map.set(name, [...(map.get(name) ?? []), { rule, mark: rule.mark(name) }]);
  }

  /** Secrets that were taken out anyway: counted, and refused where a rule says so. */
  secretsFound(found: ReadonlyMap<string, number>): void {
    for (const [name, count] of found) {
      this.count(name, count);
      for (const { rule } of this.#secrets.get(name) ?? [])
        if (rule.text.action === 'block') this.blockedBy ??= rule.text.name;
    }
  }

  count(name: string, times = 1): void {
    this.#found.set(name, (this.#found.get(name) ?? 0) + times);
  }

  /** A short text, or any where nobody can wait, as it may go on. */
  text(value: string): string {
    this.#read(value);
    const hits: Hit[] = [];
    if (this.#secretSearch !== undefined)
      for (const hit of hunt(value, this.#secretSearch)) this.#took(hits, this.#secrets, hit);
    this.#search?.run(value, (name, from, to) => this.#took(hits, this.#personal, { name, from, to }));
    for (const it of this.#patterns)
      for (const [from, to] of it.regex.places(value)) this.#take(hits, [it.wanted], it.label, from, to);
    return hits.length === 0 ? value : splice(value, hits, false);
  }

  /** The same in pieces. */
  *longText(value: string): Work<string> {
    if (value.length <= shortCharsMax) return this.text(value);
    this.#read(value);
    const hits: Hit[] = [];
    if (this.#secretSearch !== undefined) {
      const all = new Hunt(value, this.#secretSearch);
      while (all.step()) yield;
      for (const hit of all.hits) this.#took(hits, this.#secrets, hit);
    }
    if (this.#search !== undefined) {
      let done = 0;
      for (let from = 0; from < value.length; from += pieceCharsMax) {
        const to = Math.min(value.length, from + pieceCharsMax);
        done = this.#search.run(
          value,
          (name, begin, end) => this.#took(hits, this.#personal, { name, from: begin, to: end }),
          from,
          to,
          done,
        );
        yield;
      }
    }
    for (const { regex, wanted, label } of this.#patterns) {
      for (let from = 0; from < value.length; from += patternPieceChars) {
        const piece = value.slice(from, from + patternPieceChars + patternReachChars);
        for (const [begin, end] of regex.places(piece))
          if (begin < patternPieceChars) this.#take(hits, [wanted], label, from + begin, from + end);
        yield;
      }
    }
    return hits.length === 0 ? value : splice(value, hits, false);
  }

  /** A JSON number as written: the marker that stands for it, or undefined. */
  number(raw: string): string | undefined {
    const digits = plainDigits(raw);
    const hits: Hit[] = [];
    const whole = (wanted: readonly Wanted[], name: string): void =>
      this.#take(hits, wanted, name, 0, raw.length);
    if (digits !== undefined)
      this.#numbers.run(digits, (name, from, to) => {
        if (from === 0 && to === digits.length) whole(this.#personal.get(name) ?? [], name);
      });
    for (const { regex, wanted, label } of this.#patterns)
      if (regex.places(raw.slice(0, numberCharsMax)).length > 0) whole([wanted], label);
    return hits.length === 0 ? undefined : splice(raw, hits, false);
  }

  /** Whole values at paths that a rule names; `value`: a text, or JSON. */
  field(rule: RedactRule, value: string, isText: boolean): string | undefined {
    this.count(rule.text.name);
    if (rule.text.action === 'block') this.blockedBy ??= rule.text.name;
    const mark = rule.mark(rule.label);
    // A mask would show the end of an object, whatever stands there.
    if (rule.text.action === 'mask' && !isText && /^[[{]/.test(value)) return `[redacted:${rule.label}]`;
    return mark?.text(value);
  }

  /** Throws `TOO_LARGE` when there is more for the patterns to read than anybody can wait for: nothing passes unread. */
  #read(value: string): void {
    this.#patternChars += value.length * this.#patterns.length;
    if (this.#patternChars > this.#patternCharsMax)
      throw new Fault('TOO_LARGE', { detail: 'more text than the patterns of [[redact]] may read at once' });
  }

  #took(hits: Hit[], from: ReadonlyMap<string, readonly Wanted[]>, hit: Hit): void {
    this.#take(hits, from.get(hit.name) ?? [], hit.name, hit.from, hit.to);
  }

  #take(hits: Hit[], wanted: readonly Wanted[], name: string, from: number, to: number): void {
    for (const { rule, mark } of wanted) {
      const isOwn = name === rule.label;
      this.count(isOwn ? rule.text.name : `${rule.text.name}: ${name}`);
      if (rule.text.action === 'block') this.blockedBy ??= rule.text.name;
      if (mark !== undefined) add(hits, { name, from, to, mark });
    }
  }
}

function add(hits: Hit[], hit: Hit): void {
  const last = hits.at(-1);
  if (last === undefined || hits.length < hitsMax) hits.push(hit);
  else hits[hits.length - 1] = { ...hit, from: Math.min(last.from, hit.from), to: Math.max(last.to, hit.to) };
}

/** The digits of a whole number, however it is written; undefined where a double does not hold it exactly. */
function plainDigits(raw: string): string | undefined {
  if (/^[0-9]{1,32}$/.test(raw)) return raw;
  if (raw.length > 64) return undefined;
  const value = Number(raw);
  return Number.isSafeInteger(value) && value > 0 ? String(value) : undefined;
}
