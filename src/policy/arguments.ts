import type { Json } from '../domain/message.ts';
import { printable } from '../domain/printable.ts';
import { cut } from './expectation.ts';
import { compileSchema } from './schema-compile.ts';
import { Unusable } from './schema-places.ts';
import { newRun, newSeen, TooMuch, type Misfit, type Where } from './schema-run.ts';

/**
 * What is wrong with arguments by the tool's own schema (JSON Schema 2020-12, or the drafts up to 7 where `$schema` says
 * so); undefined where nothing is. It names the argument and what was expected, never the value, which may be a secret; at
 * most 300 characters. Both sides are hostile: nothing is fetched, patterns take linear time, and the work is bounded.
 * `format` is not asserted. `clean` takes secrets out of what the schema itself says, before any of it is cut: a server may
 * write its own credential into its schema, and have a caller's mistake bring it out.
 */
export function misfit(schema: Json, args: Json, clean: Clean = asItIs): string | undefined {
  try {
    const found = checkFor(schema)(args, undefined, newRun(), newSeen());
    return found === undefined
      ? undefined
      : cut(`${nameOf(found.where, clean)}: expected ${words(found, clean)}.`);
  } catch (reason) {
    if (reason instanceof TooMuch)
      return 'The arguments are too large to be checked against the schema of the tool.';
    const why = reason instanceof Unusable ? reason.message : 'it is nested too deeply';
    if (reason instanceof Unusable || reason instanceof RangeError)
      return `The schema of the tool cannot be used: ${why}.`;
    throw reason;
  }
}

type Clean = (text: string) => string;
const asItIs: Clean = (text) => text;

type Ready = ReturnType<typeof compileSchema>;

/** One for each listing that is in use; they go with it. */
const ready = new WeakMap<object, Ready | Error>();

function checkFor(schema: Json): Ready {
  if (typeof schema !== 'object' || schema === null) return compileSchema(schema);
  const known = ready.get(schema) ?? compiled(schema);
  if (typeof known !== 'function') throw known;
  return known;
}

/** A schema that cannot be used is read once, and not again for every call. */
function compiled(schema: object & Json): Ready | Error {
  let made: Ready | Error;
  try {
    made = compileSchema(schema);
  } catch (reason) {
    if (!(reason instanceof Unusable)) throw reason;
    made = reason;
  }
  ready.set(schema, made);
  return made;
}

/** `items.3.path`; the whole is called by its name in the call. */
function nameOf(where: Where | undefined, clean: Clean): string {
  const names: string[] = [];
  for (let it = where; it !== undefined; it = it.within) names.unshift(shown(clean(it.name)));
  return names.length === 0 ? 'arguments' : cut(names.join('.')).slice(0, 120);
}

function words({ expected }: Misfit, clean: Clean): string {
  return printable(clean(expected));
}

function shown(name: string): string {
  return printable(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}
