import type { Json } from '../domain/message.ts';
import type { Places } from './schema-places.ts';
import { isObject } from './schema-places.ts';
import { merge, newSeen, type Keyword, type Misfit, type Run, type Seen, type Where } from './schema-run.ts';

/** A schema, ready to be held against a value. */
export type Check = (value: Json, where: Where | undefined, run: Run, seen?: Seen) => Misfit | undefined;

/** A tool's schema while it is read: each schema in it is made ready when it is first asked. */
export type Book = {
  readonly places: Places;
  readonly ready: WeakMap<object, readonly Keyword[]>;
  /** Whether some schema asks for what the others have not spoken about; otherwise nobody keeps count. */
  readonly tracks: boolean;
  readonly checkOf: (schema: Json | undefined) => Check;
};

/** A schema about the same value: what it has spoken about counts only where it fits. */
export function inPlace(check: Check, { tracks }: Book): Keyword {
  if (!tracks) return (value, where, run) => check(value, where, run);
  return (value, where, run, seen) => {
    const own = newSeen();
    const misfit = check(value, where, run, own);
    if (misfit === undefined) merge(seen, own, run);
    return misfit;
  };
}

/** Several schemas about one value, which is no longer the one that their own schema is about. */
export function first(
  checks: readonly Check[],
  value: Json,
  where: Where | undefined,
  run: Run,
  { tracks }: Book,
): Misfit | undefined {
  for (const check of checks) {
    const misfit = check(value, where, run, tracks ? newSeen() : undefined);
    if (misfit !== undefined) return misfit;
  }
  return undefined;
}

/** The rows of a table of schemas; none where it is no table. */
export function rowsOf(table: Json | undefined): readonly (readonly [string, Json])[] {
  return isObject(table) ? Object.entries(table) : [];
}
