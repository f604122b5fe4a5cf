import type { ArgumentTest, ArgumentType, Check, Condition, Holds } from '../domain/conditions.ts';
import type { Json, JsonObject } from '../domain/message.ts';
import { linearRegex } from '../protocol/linear-regex.ts';
import { hasLookAlike, namesOf } from '../protocol/look-alike.ts';
import { namePattern } from './match.ts';
import { urlTest } from './url.ts';

type RealPath = (path: string) => string | undefined;
type Test = (value: Json, world: World) => Holds;
/** What the tests of one condition share while it is asked once. */
type World = { readonly realPath: RealPath; regexStepsLeft: number };

/**
 * A condition, ready to be asked; what is wrong with its patterns goes to `complain`. Where its path leads to several values,
 * leave needs all of them to meet it, and a denial any: one harmless item more must not dodge it.
 */
export function argumentTest(
  written: Condition,
  needs: 'all' | 'any',
  complain: (what: string) => void,
): ArgumentTest {
  // A copy: what is in force does not change with what it was read from.
  const condition = structuredClone(written);
  const place = (what: string): void => complain(`args: ${condition.at}: ${what}`);
  const tests = condition.checks.map((it) => checkTest(it, place));
  return {
    condition,
    holds: (args, realPath) => {
      const world = { realPath, regexStepsLeft: regexStepsMax };
      const walk = { condition, tests, needs, world, visitsLeft: visitsMax };
      return holdsBelow(walk, args, 0);
    },
  };
}

/** Values looked at for one condition; beyond that nothing can be said. */
const visitsMax = 10_000;
/** Characters times instructions of regular expressions, all values together; a quarter of a second at their slowest. */
const regexStepsMax = 100_000_000;

type Walk = {
  readonly condition: Condition;
  readonly tests: readonly Test[];
  readonly needs: 'all' | 'any';
  readonly world: World;
  visitsLeft: number;
};

function holdsBelow(walk: Walk, value: Json, depth: number): Holds {
  const { path, absent } = walk.condition;
  if (--walk.visitsLeft < 0) return 'unknown';
  const step = path[depth];
  if (step === undefined) return absent ? 'no' : allHold(walk.tests, value, walk.world);
  // A text where an object belongs: some servers take `"/etc"` for `{ path: "/etc" }` or `["/etc"]`.
  if (typeof value !== 'object' || value === null) return 'unknown';
  if (step === '*') return itemsHold(walk, value, depth + 1);
  if (Array.isArray(value)) return 'unknown';
  if (hasLookAlike(value, step)) return 'unknown';
  const inner = Object.hasOwn(value, step) ? value[step] : undefined;
  return inner === undefined ? missing(walk.condition) : holdsBelow(walk, inner, depth + 1);
}

function missing({ absent, optional }: Condition): Holds {
  return absent || optional ? 'yes' : 'no';
}

/** The first item that settles it does; `all` of none is yes, `any` of none is no. */
function itemsHold(walk: Walk, value: Json[] | JsonObject, depth: number): Holds {
  const settles: Holds = walk.needs === 'all' ? 'no' : 'yes';
  let holds: Holds = walk.needs === 'all' ? 'yes' : 'no';
  for (const item of Array.isArray(value) ? value : Object.values(value)) {
    const one = holdsBelow(walk, item, depth);
    if (one === settles) return one;
    if (one === 'unknown') holds = 'unknown';
    if (walk.visitsLeft < 0) return 'unknown';
  }
  return holds;
}

function allHold(tests: readonly Test[], value: Json, world: World): Holds {
  let holds: Holds = 'yes';
  for (const test of tests) {
    const one = test(value, world);
    if (one === 'no') return 'no';
    if (one === 'unknown') holds = 'unknown';
  }
  return holds;
}

function checkTest(check: Check, complain: (what: string) => void): Test {
  switch (check.kind) {
    case 'type':
      return (value) => known(isOfType(value, check.type));
    case 'one-of':
      return oneOf(check.values);
    case 'length':
      return (value) => lengthWithin(value, check.min, check.max);
    case 'range':
      return (value) =>
        typeof value === 'number' ? known(value >= check.min && value <= check.max) : 'unknown';
    case 'text':
      return textTest(check, complain);
    case 'url': {
      const test = urlTest(check, complain);
      return (value) => (typeof value === 'string' ? test(value) : 'unknown');
    }
    case 'within':
      return withinTest(check.folders, complain);
    case 'not': {
      const tests = check.checks.map((it) => checkTest(it, complain));
      return (value, world) => opposite[allHold(tests, value, world)];
    }
  }
}

const opposite = { yes: 'no', no: 'yes', unknown: 'unknown' } as const satisfies Record<Holds, Holds>;

function known(holds: boolean): Holds {
  return holds ? 'yes' : 'no';
}

export function isOfType(value: Json, type: ArgumentType): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function oneOf(values: readonly (string | number | boolean)[]): Test {
  const wanted = new Set<Json>(values);
  const types = new Set(values.map((it) => typeof it as string));
  return (value) => {
    // A list that holds the word is not the word, and a server that takes the first item must not dodge a denial.
    if (!types.has(typeof value)) return values.length === 0 ? 'no' : 'unknown';
    if (!wanted.has(value)) return 'no';
    // Beyond 2^53 two numbers in the message are one number here; which of them was meant cannot be told.
    return typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER ? 'unknown' : 'yes';
  };
}

function lengthWithin(value: Json, min: number, max: number): Holds {
  if (typeof value === 'string') {
    // A code point is one or two units; only what these bounds leave open is counted.
    if (value.length < min || value.length > 2 * max) return 'no';
    const length = codePoints(value);
    return known(length >= min && length <= max);
  }
  if (typeof value !== 'object' || value === null) return 'unknown';
  const length = Array.isArray(value) ? value.length : namesOf(value).length;
  return known(length >= min && length <= max);
}

export function codePoints(text: string): number {
  let count = text.length;
  for (let at = 0; at + 1 < text.length; at++) {
    if ((text.charCodeAt(at) & 0xfc00) !== 0xd800 || (text.charCodeAt(at + 1) & 0xfc00) !== 0xdc00) continue;
    count--;
    at++;
  }
  return count;
}

/** Linear, but not free: a longer text than this is not matched with regular expressions. UTF-16 units. */
const regexCharsMax = 64 * 1024;

function textTest(
  { like, matches }: Extract<Check, { kind: 'text' }>,
  complain: (what: string) => void,
): Test {
  const patterns = like.flatMap((it) => {
    const compiled = namePattern(it);
    if (!compiled.ok) complain(`like: the pattern ${JSON.stringify(it)} ${compiled.what}`);
    return compiled.ok ? [compiled.pattern] : [];
  });
  const regexes = matches.flatMap((it) => {
    const read = linearRegex(it);
    if (!read.ok) complain(`matches: ${JSON.stringify(it)} ${read.what}`);
    return read.ok ? [read.regex] : [];
  });
  const steps = regexes.reduce((sum, { size }) => sum + size, 0);
  return (value, world) => {
    if (typeof value !== 'string') return 'unknown';
    if (patterns.some((it) => it.test(value))) return 'yes';
    // Each of many texts may be short enough, and all of them together keep the daemon busy.
    world.regexStepsLeft -= value.length * steps;
    if (regexes.length > 0 && (value.length > regexCharsMax || world.regexStepsLeft < 0)) return 'unknown';
    return known(regexes.some((it) => it.fitsWhole(value)));
  };
}

function withinTest(folders: readonly string[], complain: (what: string) => void): Test {
  const roots = folders.map((folder) => {
    const plain = folder === '/' || /^(\/(?!\.{1,2}(\/|$))[^/\0]+)+\/?$/.test(folder);
    if (!plain)
      complain(`within: ${JSON.stringify(folder)} is no absolute path without "." and ".." and "//"`);
    return folder.replace(/\/$/, '');
  });
  return (value, { realPath }) => {
    if (typeof value !== 'string') return 'unknown';
    const real = realPath(value);
    if (real === undefined) return 'unknown';
    // Component by component: `/data/allowed_evil` begins like `/data/allowed` (CVE-2025-53110).
    return known(roots.some((root) => real === root || real.startsWith(`${root}/`)));
  };
}
