import type { ArgumentType, Check, Condition } from '../domain/conditions.ts';
import { quote } from './complaint.ts';
import type { Here } from './here.ts';
import { realFolder } from './real-folder.ts';
import type { WrittenArgs, WrittenChecks, WrittenCondition, WrittenUrl } from './schema-condition.ts';
import type { Path } from './toml.ts';

const conditionsMax = 64;

/** What a condition is for: leave needs every one to hold; a denial is not to be dodged by what cannot be compared. */
export type Use = 'leave' | 'denial';

/** The conditions of one rule or tool, as written below `at`; contradictions are complained about at their place. */
export function conditionsOf(
  written: WrittenArgs | undefined,
  at: Path,
  use: Use,
  here: Here,
): readonly Condition[] {
  const entries = Object.entries(written ?? {});
  if (entries.length > conditionsMax)
    here.complaints.aboutKey(at, `${String(entries.length)} conditions`, `at most ${String(conditionsMax)}`);
  if (written !== undefined && entries.length === 0)
    here.complaints.aboutKey(at, '"args" holds no condition', 'at least one, or no such line');
  return entries.slice(0, conditionsMax).map(([key, condition]) => {
    const path = [...at, key];
    const steps = key.split('.');
    if (!isArgumentPath(key, steps))
      here.complaints.aboutKey(
        path,
        `bad path ${quote(key)}`,
        'names separated by dots, such as "issue.number"; * for every item',
      );
    return conditionOf(condition, { path, steps, at: key }, use, here);
  });
}

function isArgumentPath(key: string, steps: readonly string[]): boolean {
  const named = (step: string) => step === '*' || /^[^*\u0000-\u001f\u007f]+$/.test(step);
  return key.length <= 256 && steps.length <= 16 && steps.every(named);
}

function conditionOf(
  written: WrittenCondition,
  where: { readonly path: Path; readonly steps: readonly string[]; readonly at: string },
  use: Use,
  here: Here,
): Condition {
  const { not, optional = false, absent = false, ...plain } = written;
  const { path, steps, at } = where;
  const checks = checksOf(plain, path, here);
  if (not !== undefined) {
    const inner = checksOf(not, [...path, 'not'], here);
    if (inner.length === 0)
      here.complaints.about([...path, 'not'], '"not" holds no check', 'at least one check');
    checks.push({ kind: 'not', checks: inner });
  }
  if (absent && (checks.length > 0 || optional))
    here.complaints.about(
      [...path, 'absent'],
      'what must not be there can have no other condition',
      'absent = true alone',
    );
  if (!absent && checks.length === 0)
    here.complaints.about(
      path,
      `nothing is asked of ${quote(at)}`,
      'at least one check, such as type = "string"',
    );
  recordsTheRightWay(written, path, use, here);
  return { path: steps, at, optional, absent, checks };
}

/**
 * `max_items` speaks about lists only, so it brings the type along. A text is then neither too long nor short enough: safe
 * where all must hold, and in a denial under `not`; the other way round a caller could dodge it by sending no list.
 */
function recordsTheRightWay({ max_items, not }: WrittenCondition, path: Path, use: Use, here: Here): void {
  if (use === 'denial' && max_items !== undefined)
    here.complaints.about(
      [...path, 'max_items'],
      'a denial of short lists',
      `not = { max_items = ${String(max_items)} }, which denies longer ones`,
    );
  if (use === 'leave' && not?.max_items !== undefined)
    here.complaints.about(
      [...path, 'not', 'max_items'],
      'leave for everything but short lists',
      'min_length, or max_items without "not"',
    );
}

function checksOf(written: WrittenChecks, path: Path, here: Here): Check[] {
  const { type, one_of, equals, min, max, min_length, max_length, max_items, like, matches, url, within } =
    written;
  agreeOnType(written, path, here);
  ordered('min', min, 'max', max, path, here);
  ordered('min_length', min_length, 'max_length', max_length, path, here);
  ordered('min_length', min_length, 'max_items', max_items, path, here);
  emptyIsNothing('one_of', one_of, path, here);
  if (one_of !== undefined && equals !== undefined)
    here.complaints.aboutKey([...path, 'equals'], '"equals" beside "one_of"', 'one of the two');

  const checks: Check[] = [];
  if (type !== undefined) checks.push({ kind: 'type', type });
  else if (max_items !== undefined) checks.push({ kind: 'type', type: 'array' });
  if (one_of !== undefined) checks.push({ kind: 'one-of', values: one_of });
  if (equals !== undefined) checks.push({ kind: 'one-of', values: [equals] });
  if (min !== undefined || max !== undefined)
    checks.push({ kind: 'range', min: min ?? -Infinity, max: max ?? Infinity });
  if (min_length !== undefined || max_length !== undefined || max_items !== undefined)
    checks.push({
      kind: 'length',
      min: min_length ?? 0,
      max: Math.min(max_length ?? Infinity, max_items ?? Infinity),
    });
  // Two checks, because both must hold when both are written.
  if (like !== undefined) checks.push({ kind: 'text', like, matches: [] });
  if (matches !== undefined) checks.push({ kind: 'text', like: [], matches });
  if (url !== undefined) checks.push(urlOf(url, [...path, 'url'], here));
  if (within !== undefined)
    checks.push({
      kind: 'within',
      folders: within.map((folder, index) => realFolder(folder, [...path, 'within', index], here)),
    });
  return checks;
}

function urlOf({ schemes, hosts, ports, paths }: WrittenUrl, path: Path, here: Here): Check {
  for (const [key, value] of [['schemes', schemes] as const, ['hosts', hosts] as const])
    if (value === undefined)
      here.complaints.aboutKey(path, `missing key "${key}"`, `a list of ${key}: every other URL is refused`);
  const all = { schemes, hosts, ports, paths };
  for (const [key, value] of Object.entries(all)) emptyIsNothing(key, value, path, here);
  return { kind: 'url', schemes: schemes ?? [], hosts: hosts ?? [], ports, paths };
}

/** Which types a check speaks about; with any other the condition could never hold. */
const speaksAbout: readonly (readonly [keyof WrittenChecks, readonly ArgumentType[]])[] = [
  ['min', ['number', 'integer']],
  ['max', ['number', 'integer']],
  ['min_length', ['string', 'array', 'object']],
  ['max_length', ['string', 'array', 'object']],
  ['max_items', ['array']],
  ['like', ['string']],
  ['matches', ['string']],
  ['url', ['string']],
  ['within', ['string']],
];

function agreeOnType(written: WrittenChecks, path: Path, here: Here): void {
  let possible: readonly ArgumentType[] | undefined = written.type === undefined ? undefined : [written.type];
  for (const [key, types] of speaksAbout) {
    if (written[key] === undefined) continue;
    const left: readonly ArgumentType[] = possible?.filter((type) => types.includes(type)) ?? types;
    if (left.length === 0) {
      const other = `${possible?.join(' or ') ?? ''}`;
      here.complaints.aboutKey(
        [...path, key],
        `"${key}" says nothing about a value of type ${other}`,
        'no such check',
      );
      return;
    }
    possible = left;
  }
}

function ordered(
  lowKey: string,
  low: number | undefined,
  highKey: string,
  high: number | undefined,
  path: Path,
  here: Here,
): void {
  if (low !== undefined && high !== undefined && low > high)
    here.complaints.about([...path, lowKey], `"${lowKey}" is above "${highKey}"`, `at most ${String(high)}`);
}

function emptyIsNothing(key: string, list: readonly unknown[] | undefined, path: Path, here: Here): void {
  if (list?.length === 0)
    here.complaints.about([...path, key], `an empty list "${key}" can never be met`, 'at least one entry');
}
