import { randomBytes } from 'node:crypto';
import type { Call } from '../domain/call.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import type { Orders, Pattern } from '../domain/orders.ts';
import type { Redacted, RedactedJson } from '../domain/redacted.ts';
import { cleanBlobs, hasFiles, insideFiles } from './blobs.ts';
import { now, Turns, type Work } from './drive.ts';
import { hunt, huntInSteps, sliceCharsMax, type Meaning } from './hunt.ts';
import { inspectTree } from './inspect-tree.ts';
import { Inspection, shortCharsMax } from './inspection.ts';
import { inwardWork, patternCharsMax, type Inward } from './inward.ts';
import { meanings } from './meanings.ts';
import {
  isCurbed,
  outwardWork,
  returnsOf,
  toolOf,
  type Cleaned,
  type FitsSchema,
  type Outward,
} from './outward.ts';
import { RuleBook } from './rules.ts';
import { acrossSeams, hasSeams } from './seams.ts';
import { Search } from './search.ts';
import { splice, type Hit } from './splice.ts';
import { textOf, treeOf } from './tree.ts';

/** Shorter values stand in too many texts by chance: to take them out would destroy what people came for. */
export const secretCharsMin = 6;
/** A longer value is no credential; looking for it would hold many copies of it in memory. */
export const secretCharsMax = 64 * 1024;

export type Learned =
  { readonly kind: 'learned' } | { readonly kind: 'too-short' } | { readonly kind: 'too-long' };

/**
 * Takes secrets out of text: the values that were given to children, exactly, in every encoding they are likely to come back
 * in, and whatever looks like a credential. It learns values while it lives and keeps them in memory only.
 */
export class Redactor {
  /** Value → how many owners know it; two servers may share one secret. */
  readonly #secrets = new Map<string, number>();
  readonly #rules: RuleBook;
  readonly #fits: FitsSchema;
  readonly #turns = new Turns();
  #generation = 0;
  #forJson: Search<Meaning> | undefined;
  #forText: Search<Meaning> | undefined;

  constructor({ key = randomBytes(32), pattern = exactName, fits = () => undefined }: RedactorParts = {}) {
    this.#rules = new RuleBook({ key, pattern });
    this.#fits = fits;
  }

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
    // Every child that ends gives its values back; the search changes with the last owner only.
    if (owners > 1) {
      this.#secrets.set(secret, owners - 1);
      return;
    }
    this.#secrets.delete(secret);
    this.#forgetScanners();
  }

  /** Another number whenever it looks for other values than before. */
  get generation(): number {
    return this.#generation;
  }

  /** A message without its secrets; still the same JSON otherwise, and the same string where there was nothing. */
  clean(text: JsonText): RedactedJson {
    return spliced(text, hunt(text, this.#jsonSearch()), true) as RedactedJson;
  }

  /** A line of a log, of stderr or of the journal without its secrets. A line that was JSON still is. */
  cleanText(text: string): Redacted {
    return spliced(text, hunt(text, this.#textSearch()), false) as Redacted;
  }

  /** What a caller sends, as the owner's rules let it pass. Secrets stay unless a rule is about them: they are the caller's. */
  inward(orders: Orders, call: Call): Inward {
    const rules = this.#rules.rulesFor(orders.servers.get(call.server), 'in', aboutTool(call));
    return rules.length === 0
      ? { kind: 'clean', call, found: [] }
      : now(inwardWork(call, rules, this.#textSearch(), patternCharsMax));
  }

  /** The same where a large message can be waited for; then patterns may read all of it. */
  inwardSoon(orders: Orders, call: Call): Inward | Promise<Inward> {
    const rules = this.#rules.rulesFor(orders.servers.get(call.server), 'in', aboutTool(call));
    if (rules.length === 0) return { kind: 'clean', call, found: [] };
    const work = inwardWork(call, rules, this.#textSearch());
    const { message } = call;
    const text = message.kind === 'reply' ? message.answer.text : (message.params ?? '');
    return text.length <= shortCharsMax ? now(work) : this.#turns.take(work);
  }

  /** What a caller is given. At once for a small answer; a large one is worked on in turns with everything else. */
  outward(orders: Orders, call: Call, answer: Answer): Outward | Promise<Outward> {
    const server = orders.servers.get(call.server);
    const tool = toolOf(call);
    const rules = this.#rules.rulesFor(server, 'out', aboutTool(call));
    const returns = returnsOf(server, tool);
    const { kind, text } = answer;
    if (rules.length === 0 && !isCurbed(text, returns) && text.length <= sliceCharsMax && this.#isPlain(text))
      return { kind: 'clean', answer: { kind, text: text as RedactedJson }, found: nothing };
    const work = outwardWork({
      call,
      answer,
      tool,
      rules,
      returns,
      fits: this.#fits,
      clean: (text) => this.#cleanWork(text),
    });
    return answer.text.length <= sliceCharsMax ? now(work) : this.#turns.take(work);
  }

  /** What a server says besides its answers; undefined: a rule lets nobody have it. */
  aside(orders: Orders, server: string, text: JsonText): RedactedJson | undefined {
    const rules = this.#rules.rulesFor(orders.servers.get(server), 'out', 'any');
    const cleaned = now(this.#cleanWork(text));
    if (rules.length === 0) return cleaned.text as RedactedJson;
    const inspection = new Inspection(rules, undefined, patternCharsMax);
    inspection.secretsFound(cleaned.found);
    const root = now(treeOf(cleaned.text));
    now(inspectTree(root, inspection, root));
    return inspection.blockedBy === undefined ? (textOf(root) as RedactedJson) : undefined;
  }

  /** Nothing to be taken out, as in most answers: found out without all that taking something out needs. */
  #isPlain(text: JsonText): boolean {
    return !hasFiles(text) && !hasSeams(text) && hunt(text, this.#jsonSearch()).length === 0;
  }

  /** A message without its secrets, those in files and across the seams of text blocks too, and what there was. */
  *#cleanWork(original: JsonText): Work<Cleaned> {
    const search = this.#jsonSearch();
    const found = new Map<string, number>();
    const textSearch = this.#textSearch();
    const text = yield* cleanBlobs(original, function* (file) {
      const hits = yield* huntInSteps(file, textSearch);
      tally(hits, found);
      return spliced(file, hits, false);
    });
    const within = yield* huntInSteps(text, search);
    const seams = yield* acrossSeams(text, within, (joined) => huntInSteps(joined, search));
    const hits = seams.length === 0 ? within : [...within, ...seams];
    tally(hits, found);
    return { text: spliced(text, insideFiles(text, hits), true) as JsonText, found };
  }

  #jsonSearch(): Search<Meaning> {
    return (this.#forJson ??= new Search(meanings([...this.#secrets.keys()], false)));
  }

  #textSearch(): Search<Meaning> {
    return (this.#forText ??= new Search(meanings([...this.#secrets.keys()], true)));
  }

  #forgetScanners(): void {
    this.#generation++;
    this.#forJson = undefined;
    this.#forText = undefined;
  }
}

const nothing: Outward['found'] = Object.freeze([]);

/** What a redactor needs of the world for the owner's rules. */
export type RedactorParts = {
  /** For `hash`: 32 random bytes that stay the same over restarts, so that digests do. */
  readonly key?: Buffer;
  /** Compiles a name pattern of the policy. */
  readonly pattern?: (text: string) => Pattern;
  readonly fits?: FitsSchema;
};

/** Without the policy's patterns a name stands for itself only, and `*` for every tool: it can only find more. */
function exactName(text: string): Pattern {
  return { text, test: (value) => text.includes('*') || value === text };
}

/** A task whose tool nobody knows any more may be any tool's. */
function aboutTool(call: Call): { readonly name: string } | 'any' | undefined {
  const tool = toolOf(call);
  if (tool !== undefined) return { name: tool };
  return call.target.kind === 'task' || call.message.kind === 'reply' ? 'any' : undefined;
}

// Safe for JSON: markers hold nothing that it would escape, and hits never cut an escape or leave a string.
function spliced(text: string, hits: readonly Hit[], isJson: boolean): string {
  return hits.length === 0 ? text : splice(text, hits, isJson);
}

function tally(hits: readonly Hit[], found: Map<string, number>): void {
  for (const { name } of hits) found.set(name, (found.get(name) ?? 0) + 1);
}
