import type { JsonText } from '../domain/message.ts';
import { lookAlikes } from './look-alike.ts';
import { own, type Listing, type Sight, type Source } from './listing.ts';

/** Others than mcpd's own that are remembered for one tool; names that are in callers' listings alone. */
const sourcesMax = 32;
const namesMax = 20_000;
/** Of the definitions that callers were shown: characters of one, and of all of a server together. */
const definitionCharsMax = 64 * 1024;
const allCharsMax = 4 * 1024 * 1024;
/** Stands for every source for which there was no room: it is remembered until somebody pins the tool. */
const others: Source = 'others';

/**
 * What the listings of one server showed of its tools: mcpd's own last one, and of the callers' those that show a tool
 * differently. In memory: after a restart every child is new.
 */
export class Sights {
  #own: ReadonlyMap<string, Sight> | undefined;
  readonly #elsewhere = new Map<string, Map<Source, Sight>>();
  readonly #bySource = new Map<Source, Set<string>>();
  #chars = 0;
  #whole = false;
  #alike: ReadonlySet<string> = new Set();
  #namesChanged = false;

  /** Whether some listing was whole. */
  get whole(): boolean {
    return this.#whole;
  }

  /** Whether a tool stands in mcpd's own last listing; undefined while there was none. */
  listed(tool: string): boolean | undefined {
    return this.#own?.has(tool);
  }

  own(tool: string): Sight | undefined {
    return this.#own?.get(tool);
  }

  /** What callers were shown instead. */
  elsewhere(tool: string): ReadonlyMap<Source, Sight> | undefined {
    return this.#elsewhere.get(tool);
  }

  of(tool: string): readonly Sight[] {
    const first = this.#own?.get(tool);
    const rest = this.#elsewhere.get(tool)?.values() ?? [];
    return first === undefined ? [...rest] : [first, ...rest];
  }

  looksLikeAnother(tool: string): boolean {
    return this.#alike.has(tool);
  }

  names(): ReadonlySet<string> {
    return new Set([...(this.#own?.keys() ?? []), ...this.#elsewhere.keys()]);
  }

  /** Takes in a listing. `pinned`: the digest that is pinned of a tool; what shows just that needs no remembering. */
  saw(listing: Listing, from: Source, pinned: (tool: string) => string | undefined): void {
    if (listing.whole) this.#whole = true;
    if (from === own) this.#sawOwn(listing);
    else this.#sawElsewhere(listing, from, pinned);
    this.#compareNames();
  }

  /**
   * Somebody looked at a tool and chose this. What else was shown of it is forgotten: it may be old, and if it is not, the
   * next listing shows it again.
   */
  accept(tool: string, sight: Sight): void {
    for (const source of [...(this.#elsewhere.get(tool)?.keys() ?? [])]) this.#drop(tool, source);
    if (this.#own?.has(tool) === true) this.#own = new Map(this.#own).set(tool, sight);
    this.#compareNames();
  }

  /** A source is gone, and with it the child that may have shown it something else. */
  forget(from: Source): void {
    for (const tool of [...(this.#bySource.get(from) ?? [])]) this.#drop(tool, from);
    this.#compareNames();
  }

  #sawOwn({ tools, whole }: Listing): void {
    this.#own = whole || this.#own === undefined ? tools : new Map([...this.#own, ...tools]);
    this.#namesChanged = true;
  }

  #sawElsewhere({ tools, whole }: Listing, from: Source, pinned: (tool: string) => string | undefined): void {
    const before = whole ? [...(this.#bySource.get(from) ?? [])] : [];
    for (const tool of before) if (!tools.has(tool)) this.#drop(tool, from);
    for (const [tool, sight] of tools) {
      const pin = pinned(tool);
      const usual = sight.digest === pin || sight.digest === this.#own?.get(tool)?.digest;
      this.#drop(tool, from);
      // A server must not be able to fill the list with names and then change a tool that is pinned.
      if (!usual && (pin !== undefined || this.#elsewhere.has(tool) || this.#elsewhere.size < namesMax))
        this.#keep(tool, from, sight);
    }
  }

  #keep(tool: string, from: Source, sight: Sight): void {
    let kept = this.#elsewhere.get(tool);
    if (kept === undefined) {
      kept = new Map<Source, Sight>();
      this.#elsewhere.set(tool, kept);
      this.#namesChanged = true;
    }
    const source = kept.size < sourcesMax ? from : others;
    const same = [...kept.values()].find(({ digest }) => digest === sight.digest);
    if (source === others) this.#drop(tool, others);
    kept.set(source, same ?? this.#within(sight));
    const tools = this.#bySource.get(source) ?? new Set<string>();
    this.#bySource.set(source, tools.add(tool));
  }

  /** The same, without its definition where there is no room for that. */
  #within(sight: Sight): Sight {
    const { definition } = sight;
    if (definition === undefined || definition.length > definitionCharsMax)
      return { ...sight, definition: undefined };
    if (this.#chars + definition.length > allCharsMax) return { ...sight, definition: undefined };
    this.#chars += definition.length;
    return { ...sight, definition: detached(definition) };
  }

  #drop(tool: string, from: Source): void {
    const kept = this.#elsewhere.get(tool);
    const sight = kept?.get(from);
    if (kept === undefined || sight === undefined) return;
    kept.delete(from);
    if (![...kept.values()].includes(sight)) this.#chars -= sight.definition?.length ?? 0;
    if (kept.size === 0) {
      this.#elsewhere.delete(tool);
      this.#namesChanged = true;
    }
    const tools = this.#bySource.get(from);
    tools?.delete(tool);
    if (tools?.size === 0) this.#bySource.delete(from);
  }

  #compareNames(): void {
    if (this.#namesChanged) this.#alike = lookAlikes(this.names());
    this.#namesChanged = false;
  }
}

/** A part of a text keeps the whole text in memory: here, the answer it came in. */
function detached(text: JsonText): JsonText {
  return Buffer.from(text).toString() as JsonText;
}
