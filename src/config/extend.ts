import type { CaseText, Contract, LimitText } from '../domain/orders.ts';
import { quote } from './complaint.ts';
import { covers } from './covers.ts';
import type { Here } from './here.ts';
import { isUnnamed } from './limits.ts';
import { rulesRestrict, toolsRestrict } from './restrict.ts';
import type { Terms } from './terms.ts';

/**
 * The terms of a base with those of a file that extends it. The file can only restrict: whatever would open something that
 * the base keeps closed is complained about at its place in the file, and nothing runs.
 */
export function extended(base: Terms, own: Terms, here: Here): Terms {
  rulesRestrict(base, own, here);
  toolsRestrict(base, own, here);
  namesAreNew(base, own, here);
  return {
    contract: contractOf(base.contract, own.contract, here),
    tools: [...base.tools, ...own.tools],
    // The base first: of equally strict rules the first is the one whose conditions of asking count.
    rules: [...base.rules, ...own.rules],
    limits: limitsOf(base.limits, own.limits),
    redact: [...base.redact, ...own.redact],
    cases: casesOf(base.cases, own.cases),
  };
}

type Written = Terms['contract'];

function contractOf(base: Written, own: Written, here: Here): Written {
  const { complaints } = here;
  const loosened = (key: keyof Contract, at: string, held: string) => {
    complaints.about([at], `this would loosen what the base says`, `${held}, or no such line`);
    return base[key];
  };
  if (base.mode !== 'observe' && base.stage !== 'observe' && own.mode === 'observe')
    loosened('mode', 'mode', '"enforce"');
  if (
    base.pins !== undefined &&
    own.pins !== undefined &&
    strictnessOfPins(own.pins) < strictnessOfPins(base.pins)
  )
    loosened('pins', 'pins', quote(base.pins));
  if (base.pins === undefined && own.pins === 'off') loosened('pins', 'pins', '"first"');
  if (base.checkArguments !== false && own.checkArguments === false)
    loosened('checkArguments', 'check_arguments', 'true');
  return {
    purpose: own.purpose ?? base.purpose,
    owner: own.owner ?? base.owner,
    outOfScope: own.outOfScope ?? base.outOfScope,
    stage: stageOf(base, own, here),
    pilots: pilotsOf(base, own, here),
    mode: own.mode ?? base.mode,
    pins: own.pins ?? base.pins,
    checkArguments: own.checkArguments ?? base.checkArguments,
  };
}

function strictnessOfPins(pins: Contract['pins']): number {
  return ['off', 'first', 'approved'].indexOf(pins);
}

function stageOf(base: Written, own: Written, { complaints }: Here): Contract['stage'] | undefined {
  if (own.stage === undefined || base.stage === own.stage) return base.stage ?? own.stage;
  const held = base.stage ?? 'everyone';
  if (own.stage === 'observe' && held !== 'observe') {
    complaints.about(
      ['stage'],
      'stage "observe" would loosen what the base says',
      `"${held}", or no such line`,
    );
    return held;
  }
  if (held === 'observe' || held === 'everyone') return own.stage;
  if (own.stage === 'everyone') {
    complaints.about(
      ['stage'],
      `the base says "${held}", which holds`,
      `"${held}", or no such line`,
      'warning',
    );
    return held;
  }
  // One of them is "pilot", the other "read-only": a server has one stage.
  complaints.about(
    ['stage'],
    `the base says "${held}", and a server has one stage`,
    `"${held}", and rules that deny the rest`,
  );
  return held;
}

/** Where the base lets only pilots in, a file may name fewer of them. */
function pilotsOf(base: Written, own: Written, { complaints }: Here): readonly string[] | undefined {
  if (own.pilots === undefined || base.stage !== 'pilot') return own.pilots ?? base.pilots;
  own.pilots.forEach((pilot, index) => {
    if (
      base.pilots?.some((wide) =>
        pilot.startsWith('role:') ? wide === pilot : coversCaller(wide, pilot),
      ) === true
    )
      return;
    complaints.about(
      ['pilots', index],
      `${quote(pilot)} is no pilot of the base`,
      'one of the pilots of the base',
    );
  });
  return own.pilots;
}

function coversCaller(wide: string, narrow: string): boolean {
  return !wide.startsWith('role:') && covers(wide, narrow);
}

function namesAreNew(base: Terms, own: Terms, { complaints }: Here): void {
  const limits = new Set(base.limits.filter(({ name }) => !isUnnamed(name)).map(({ name }) => name));
  own.limits
    .filter(({ name }) => !isUnnamed(name))
    .forEach(({ name }, index) => {
      if (limits.has(name))
        complaints.about(
          ['limit', index, 'name'],
          `duplicate: a limit of the base is named ${quote(name)}`,
          'a name of its own',
        );
    });
  const redactions = new Set(base.redact.map(({ name }) => name));
  own.redact.forEach(({ name }, index) => {
    if (redactions.has(name))
      complaints.about(
        ['redact', index, 'name'],
        `duplicate: a redaction of the base is named ${quote(name)}`,
        'a name of its own',
      );
  });
}

/** Both hold, so lines of [limits] that count the same thing become one limit with the rates of both. */
function limitsOf(base: readonly LimitText[], own: readonly LimitText[]): readonly LimitText[] {
  const shared = base.map((limit) => {
    const twin = isUnnamed(limit.name) ? own.find(({ name }) => name === limit.name) : undefined;
    if (twin === undefined) return limit;
    const texts = new Set(limit.rates.map(({ text }) => text));
    const least = Math.min(limit.concurrency ?? Infinity, twin.concurrency ?? Infinity);
    const lines = [limit, twin]
      .filter(({ concurrency }) => concurrency !== undefined)
      .map(({ waiting }) => waiting);
    return {
      ...limit,
      rates: [...limit.rates, ...twin.rates.filter(({ text }) => !texts.has(text))],
      concurrency: least === Infinity ? undefined : least,
      waiting: lines.length === 0 ? 0 : Math.min(...lines),
    };
  });
  const taken = new Set(base.map(({ name }) => name));
  return [...shared, ...own.filter(({ name }) => !taken.has(name))];
}

/** A case of the file takes the place of the base's case of that name: where more is denied, other things are true. */
function casesOf(base: readonly CaseText[], own: readonly CaseText[]): readonly CaseText[] {
  const names = new Set(own.map(({ name }) => name));
  return [...base.filter(({ name }) => !names.has(name)), ...own];
}
