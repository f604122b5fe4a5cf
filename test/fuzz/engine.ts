import { Dice } from '../support/dice.ts';
import { Coverage } from './coverage.ts';
import { mutate } from './mutate.ts';

export type Target = {
  readonly name: string;
  /** The sources whose coverage leads the search. */
  readonly covers: RegExp;
  readonly seeds: () => readonly Buffer[];
  /** What means something to it. */
  readonly words: readonly string[];
  readonly bytesMax: number;
  /** Throws when a promise is broken. Must not keep anything between two inputs. */
  readonly run: (input: Buffer) => void | Promise<void>;
};

export type Bounds = { readonly seed: number; readonly runs: number; readonly withinMs: number };

export type Report = {
  readonly target: string;
  readonly seed: number;
  readonly runs: number;
  readonly inputs: number;
  /** Blocks, with about how often they ran. */
  readonly blocks: number;
  readonly failure: { readonly input: Buffer; readonly says: string } | undefined;
};

const corpusMax = 4096;
/** Tries to make a failing input smaller. */
const shrinksMax = 2000;

/**
 * Keeps every input that runs code which none before it ran, and changes those. `begun` is told of every input before it is
 * run, so that whoever watches can name the one that never ends.
 */
export async function fuzz(target: Target, bounds: Bounds, begun: (input: Buffer) => void): Promise<Report> {
  const dice = new Dice(bounds.seed);
  const coverage = new Coverage(target.covers);
  const seen = new Set<string>();
  const corpus: Buffer[] = [];
  let runs = 0;
  const fails = async (input: Buffer): Promise<string | undefined> => {
    runs++;
    begun(input);
    try {
      await target.run(input);
      return undefined;
    } catch (reason) {
      return reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
    }
  };
  const report = (failure: Report['failure']): Report => {
    coverage.end();
    return {
      target: target.name,
      seed: bounds.seed,
      runs,
      inputs: corpus.length,
      blocks: seen.size,
      failure,
    };
  };
  const visit = async (input: Buffer): Promise<string | undefined> => {
    const says = await fails(input);
    const before = seen.size;
    for (const block of coverage.look()) seen.add(block);
    if (seen.size > before && corpus.length < corpusMax) corpus.push(input);
    return says;
  };
  // What ran before the first input says nothing about it.
  coverage.look();
  const until = performance.now() + bounds.withinMs;
  for (const seed of target.seeds()) {
    if (performance.now() > until) break;
    const input = seed.subarray(0, target.bytesMax);
    const says = await visit(input);
    if (says !== undefined) return report({ input: await smaller(input, fails), says });
  }
  if (corpus.length === 0) corpus.push(Buffer.from('a'));
  while (runs < bounds.runs && performance.now() < until) {
    // Newer inputs have been changed less often.
    const from = dice.is(0.5) ? corpus.slice(-64) : corpus;
    const input = mutate(dice.one(from), dice.one(corpus), target.words, dice, target.bytesMax);
    const says = await visit(input);
    if (says !== undefined) return report({ input: await smaller(input, fails), says });
  }
  return report(undefined);
}

/** The smallest input that was found to fail still: pieces are left out for as long as that works. */
async function smaller(
  input: Buffer,
  fails: (input: Buffer) => Promise<string | undefined>,
): Promise<Buffer> {
  let least = input;
  let tries = 0;
  for (let size = least.length >> 1; size > 0; size >>= 1)
    for (let at = 0; at < least.length && tries < shrinksMax;) {
      tries++;
      const without = Buffer.concat([least.subarray(0, at), least.subarray(at + size)]);
      if ((await fails(without)) === undefined) at += size;
      else least = without;
    }
  return least;
}
