import type { Call } from '../domain/call.ts';
import type { Json } from '../domain/message.ts';
import type { Budget } from '../domain/orders.ts';
import { hasLookAlike } from '../protocol/look-alike.ts';

/** Sums are of whole millionths: 0.1 has no exact double, and ten of them must be 1. What is finer is rounded up. */
const perUnit = 1_000_000;

/** What one call adds to a budget, in millionths; or why that cannot be told, in words for the caller. */
export type Amount =
  { readonly kind: 'amount'; readonly millionths: number } | { readonly kind: 'unfit'; readonly why: string };

/** The bound of a budget, in millionths. */
export function mostOf(budget: Budget): number {
  return millionths(budget.most);
}

/** Reads the argument that a budget sums up. Absence means no: a call whose amount is unknown could spend anything. */
export function amountOf(budget: Budget, { params }: Call): Amount {
  const name = JSON.stringify(budget.path.join('.'));
  const value = valueAt(params['arguments'], budget.path);
  if (value === undefined) return unfit(`the argument ${name} is missing`);
  // Strictly a number: "5" is one for some servers and none for us.
  if (typeof value !== 'number' || !Number.isFinite(value)) return unfit(`the argument ${name} is no number`);
  // It would give back what others have spent.
  if (value < 0) return unfit(`the argument ${name} is negative`);
  const amount = millionths(Math.abs(value));
  if (amount > mostOf(budget)) return unfit(`the argument ${name} is more than all of it`);
  return { kind: 'amount', millionths: amount };
}

function unfit(why: string): Amount {
  return { kind: 'unfit', why };
}

function millionths(value: number): number {
  const exact = value * perUnit;
  const near = Math.round(exact);
  // The product may be off by a rounding or two; more than that is a part of a millionth.
  return Math.abs(exact - near) <= exact * 4 * Number.EPSILON ? near : Math.ceil(exact);
}

/** Own members only: `constructor` is in every object, and nobody wrote it. */
function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  let at = value;
  for (const name of path) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) || !Object.hasOwn(at, name))
      return undefined;
    // A reader that ignores case would spend what `Amount` says.
    if (hasLookAlike(at, name)) return undefined;
    at = at[name];
  }
  return at;
}
