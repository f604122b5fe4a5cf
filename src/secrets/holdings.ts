import type { KeeperParts } from './keeper.ts';
import { Waits } from './waits.ts';

/** Variable → value. The object itself is the receipt: the same one is given back. */
export type Values = Readonly<Record<string, string>>;

type Holding = {
  readonly server: string;
  /** Reference → value. */
  readonly held: ReadonlyMap<string, string>;
};

/** An answer of a child that is gone may still be on its way through the redactor. */
const lingerMs = 60_000;

/** Which child holds which value, and how long the redactor has to know it. */
export class Holdings {
  readonly #parts: Pick<KeeperParts, 'learn' | 'forget' | 'log' | 'after'>;
  readonly #all = new Map<Values, Holding>();
  readonly #lingering: Waits;
  #given = 0;

  constructor(parts: Pick<KeeperParts, 'learn' | 'forget' | 'log' | 'after'>) {
    this.#parts = parts;
    this.#lingering = new Waits(parts.after);
  }

  /** For one child; every value is learnt when this returns. */
  hold(
    server: string,
    values: Record<string, string>,
    texts: readonly (readonly [name: string, text: string])[],
  ): Values {
    const held = new Map(texts.map(([name, text]) => [text, values[name] ?? '']));
    for (const value of held.values()) this.#parts.learn(value);
    const given: Values = Object.freeze({ ...values });
    this.#all.set(given, { server, held });
    return given;
  }

  release(values: Values): void {
    const holding = this.#all.get(values);
    if (holding === undefined) return;
    this.#all.delete(values);
    for (const value of holding.held.values()) this.giveUp(value);
  }

  /** The value that a reference has now; it is known as long as it is the one, whether a child runs or not. */
  learn(value: string, reference: string): void {
    const { kind } = this.#parts.learn(value);
    if (kind !== 'learned')
      this.#parts.log('warn', { reference }, `a secret is ${kind} to be redacted from answers`);
  }

  /** One reason less to know this value, in a while. */
  giveUp(value: string): void {
    this.#lingering.in(String(this.#given++), lingerMs, () => this.#parts.forget(value));
  }

  /** The servers of which some child holds it. */
  holdersOf(reference: string): readonly string[] {
    return this.#servers(({ held }) => held.has(reference));
  }

  /** Those of which some child holds another value than this one. */
  holdersOfOther(reference: string, value: string): readonly string[] {
    return this.#servers(({ held }) => held.has(reference) && held.get(reference) !== value);
  }

  close(): void {
    this.#lingering.close();
  }

  /** By name: whose child happened to start first is nobody's business. */
  #servers(fits: (holding: Holding) => boolean): readonly string[] {
    return [...new Set([...this.#all.values()].filter(fits).map(({ server }) => server))].toSorted();
  }
}
