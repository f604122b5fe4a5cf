import type { JsonText } from '../domain/message.ts';
import type { Redacted, RedactedJson } from '../domain/redacted.ts';
import { detectors } from './detectors.ts';
import { inBase64, inHex, inPercent, type Budget } from './encoded.ts';
import { base64Interior, formsOf, percentAll, toBase64Url } from './encodings.ts';
import { charset, isIn, Runs } from './runs.ts';
import { literalCharsMin, type Entry } from './scanner.ts';
import { Search } from './search.ts';
import type { Span } from './shapes.ts';
import { splice, type Hit } from './splice.ts';
import { isWindowed } from './windows.ts';

/** Shorter values stand in too many texts by chance: to take them out would destroy what people came for. */
export const secretCharsMin = 6;
/** A longer value is no credential; looking for it would hold many copies of it in memory. */
export const secretCharsMax = 64 * 1024;

export type Learned =
  { readonly kind: 'learned' } | { readonly kind: 'too-short' } | { readonly kind: 'too-long' };

type Meaning = {
  readonly name: string;
  readonly find: (runs: Runs, at: number, literal: string, budget: Budget) => Span | undefined;
};

/**
 * Takes secrets out of text: the values that were given to children, exactly, in every encoding they are likely to come back
 * in, and whatever looks like a credential. It learns values while it lives and keeps them in memory only.
 */
export class Redactor {
  /** Value → how many owners know it; two servers may share one secret. */
  readonly #secrets = new Map<string, number>();
  #forJson: Search<Meaning> | undefined;
  #forText: Search<Meaning> | undefined;

  /** From now on this value is taken out. `too-short` and `too-long` values are not, and the caller should say so. */
  learn(secret: string): Learned {
    if (secret.length < secretCharsMin) return { kind: 'too-short' };
    if (secret.length > secretCharsMax) return { kind: 'too-long' };
    const owners = this.#secrets.get(secret) ?? 0;
    this.#secrets.set(secret, owners + 1);
    // Every child of a server brings the same values; to build the search anew for each would cost every session start.
    if (owners === 0) this.#forgetScanners();
    return { kind: 'learned' };
  }

  /** One owner less; the value is no longer taken out when nobody owns it. */
  forget(secret: string): void {
    const owners = this.#secrets.get(secret);
    if (owners === undefined) return;
    if (owners > 1) this.#secrets.set(secret, owners - 1);
    else this.#secrets.delete(secret);
    this.#forgetScanners();
  }

  /** A message without its secrets; still the same JSON otherwise, and the same string where there was nothing. */
  clean(text: JsonText): RedactedJson {
    this.#forJson ??= new Search(entries([...this.#secrets.keys()], false));
    // Safe: markers hold nothing that JSON would escape, and hits never cut an escape or leave a string.
    return redact(text, this.#forJson, true) as RedactedJson;
  }

  /** A line of a log, of stderr or of the journal without its secrets. A line that was JSON still is. */
  cleanText(text: string): Redacted {
    this.#forText ??= new Search(entries([...this.#secrets.keys()], true));
    return redact(text, this.#forText, false) as Redacted;
  }

  #forgetScanners(): void {
    this.#forJson = undefined;
    this.#forText = undefined;
  }
}

function redact(text: string, search: Search<Meaning>, isJson: boolean): string {
  let runs: Runs | undefined;
  let budget: Budget | undefined;
  let hits: Hit[] | undefined;
  let latest: Map<string, Hit> | undefined;
  search.run(text, ({ name, find }, at, literal) => {
    // What lies inside a find of its own kind is found; to look again at each begin in a long key would cost its length.
    const last = latest?.get(name);
    if (last !== undefined && at >= last.from && at + literal.length <= last.to) return;
    runs ??= new Runs(text);
    budget ??= { left: 1024 + (text.length >>> 8) };
    const span = find(runs, at, literal, budget);
    if (span === undefined) return;
    const hit = { ...span, name };
    (latest ??= new Map()).set(name, hit);
    (hits ??= []).push(hit);
  });
  return hits === undefined ? text : splice(text, hits, isJson);
}

function entries(secrets: readonly string[], raw: boolean): readonly Entry<Meaning>[] {
  return [...fromDetectors, ...secrets.flatMap((secret) => fromSecret(secret, raw))];
}

function fromSecret(secret: string, raw: boolean): Entry<Meaning>[] {
  return formsOf(secret, raw).map(({ text: literal, edge }) => ({
    literal,
    meaning: { name: 'secret', find: edge ? withEdges : exactly },
    windowed: isWindowed(literal),
  }));
}

function exactly(_runs: Runs, at: number, literal: string): Span {
  return { from: at, to: at + literal.length };
}

/** In base64 the character on either side holds some bits of the secret too. */
function withEdges({ text }: Runs, at: number, literal: string): Span {
  const end = at + literal.length;
  return {
    from: isIn(text, at - 1, charset.base64) ? at - 1 : at,
    to: isIn(text, end, charset.base64) ? end + 1 : end,
  };
}

/** Their secrets hold blanks or any characters at all, so they are no long runs. */
const anywhere = new Set(['private-key', 'url-password']);

const fromDetectors: readonly Entry<Meaning>[] = detectors.flatMap(({ name, literals, shape, encoded }) =>
  literals.flatMap((literal) => {
    const plain: Entry<Meaning> = { literal, meaning: { name, find: shape }, windowed: !anywhere.has(name) };
    if (!encoded) return [plain];
    const bytes = Buffer.from(literal);
    const hex = bytes.toString('hex');
    const percent = percentAll(bytes);
    const found = new Map<string, Meaning>();
    for (const before of [0, 1, 2] as const) {
      const look = inBase64(literal, before, shape);
      const interior = base64Interior(bytes, before);
      for (const it of [interior, toBase64Url(interior)])
        found.set(it, { name, find: (runs, at, _literal, budget) => look(runs, at, budget) });
    }
    for (const it of [hex, hex.toUpperCase()]) {
      const look = inHex(literal, shape);
      found.set(it, { name, find: (runs, at, _literal, budget) => look(runs, at, budget) });
    }
    for (const it of [percent, percent.toUpperCase()]) {
      const look = inPercent(literal, shape);
      found.set(it, { name, find: (runs, at, _literal, budget) => look(runs, at, budget) });
    }
    const others = [...found].filter(([it]) => it.length >= literalCharsMin);
    return [plain, ...others.map(([it, meaning]) => ({ literal: it, meaning, windowed: true }))];
  }),
);
