import type { RuleText, Surface } from '../domain/orders.ts';
import { askingOf } from './asking.ts';
import { conditionsOf } from './conditions.ts';
import { quote } from './complaint.ts';
import type { Here } from './here.ts';
import type { WrittenRule } from './schema-rule.ts';
import type { Path } from './toml.ts';

export const targets = ['tools', 'resources', 'prompts', 'upcalls', 'methods'] as const;

/** The `[[rule]]` tables of one file. */
export function rulesOf(written: readonly WrittenRule[], here: Here): readonly RuleText[] {
  const names = new Set<string>();
  return written.map((rule, index) => {
    const at = ['rule', index];
    if (names.has(rule.name))
      here.complaints.about(
        [...at, 'name'],
        `duplicate: another rule is named ${quote(rule.name)}`,
        'a name of its own',
      );
    names.add(rule.name);
    aboutSomething(rule, at, here);
    forSomebody(rule, at, here);
    surfacesFit(rule, at, here);
    argumentsFit(rule, at, here);
    fitsVerdict(rule, at, here);
    return {
      name: rule.name,
      verdict: rule.verdict,
      mode: rule.mode,
      callers: rule.callers,
      roles: rule.roles,
      surfaces: rule.surfaces,
      tools: rule.tools ?? [],
      risk: rule.risk,
      resources: rule.resources ?? [],
      prompts: rule.prompts ?? [],
      upcalls: rule.upcalls ?? [],
      methods: rule.methods ?? [],
      args: conditionsOf(rule.args, [...at, 'args'], rule.verdict === 'deny' ? 'denial' : 'leave', here),
      untilMs: rule.until,
      record: rule.record ?? [],
      rates: rule.rate ?? [],
      asking: askingOf(rule, at, here),
      place: here.complaints.lineOf(at),
    };
  });
}

/** A rule about nothing would look like protection and never apply. */
function aboutSomething(rule: WrittenRule, at: Path, here: Here): void {
  if (targets.every((target) => (rule[target]?.length ?? 0) === 0))
    here.complaints.about(
      at,
      `rule ${quote(rule.name)} names no target`,
      `at least one of ${targets.join(', ')}`,
    );
  if (rule.verdict === 'confirm' && (rule.upcalls?.length ?? 0) > 0)
    here.complaints.about(
      [...at, 'upcalls'],
      'a message from a server cannot be held for a yes',
      'a rule of its own with "allow" or "deny"',
    );
}

function forSomebody(rule: WrittenRule, at: Path, here: Here): void {
  const one: ReadonlyMap<'callers' | 'roles' | 'surfaces' | 'risk', string> = new Map([
    ['callers', 'caller'],
    ['roles', 'role'],
    ['surfaces', 'surface'],
    ['risk', 'class'],
  ]);
  for (const [key, noun] of one)
    if (rule[key]?.length === 0)
      here.complaints.about(
        [...at, key],
        key === 'callers' || key === 'roles' ? 'a rule for nobody' : `a rule for no ${noun}`,
        `at least one ${noun}, or no such line for every ${noun}`,
      );
  if (rule.risk !== undefined && (rule.tools?.length ?? 0) === 0)
    here.complaints.aboutKey(
      [...at, 'risk'],
      '"risk" speaks about tools, and the rule names none',
      'tools = ["*"]',
    );
}

/** Which targets a surface is reached by. */
const reachedBy: ReadonlyMap<Surface, readonly (typeof targets)[number][]> = new Map([
  ['tool', ['tools']],
  ['task', ['tools']],
  ['resource', ['resources']],
  ['subscription', ['resources']],
  ['prompt', ['prompts']],
  ['completion', ['prompts', 'resources']],
  ['upcall', ['upcalls']],
  ['method', ['methods']],
]);

function surfacesFit({ surfaces = [], ...rule }: WrittenRule, at: Path, here: Here): void {
  surfaces.forEach((surface, index) => {
    const wanted = reachedBy.get(surface) ?? [];
    if (wanted.some((target) => (rule[target]?.length ?? 0) > 0)) return;
    here.complaints.about(
      [...at, 'surfaces', index],
      `nothing in the rule is a ${surface}`,
      `a line ${wanted.join(' or ')}, or no ${quote(surface)} here`,
    );
  });
}

function argumentsFit(rule: WrittenRule, at: Path, here: Here): void {
  if (rule.args === undefined || (rule.resources?.length ?? 0) === 0) return;
  // Such a denial would be met by no resource at all, and look as if it were.
  here.complaints.aboutKey(
    [...at, 'args'],
    'a resource has no arguments',
    'a rule of its own for the resources',
  );
}

/** Which keys mean something only with some verdicts. */
const only: readonly (readonly [keyof WrittenRule, readonly WrittenRule['verdict'][]])[] = [
  ['record', ['allow', 'confirm']],
  ['rate', ['allow', 'confirm']],
  // A denial that ran out would open something while nobody looks.
  ['until', ['allow', 'confirm']],
  ['ask', ['confirm']],
  ['approvals', ['confirm']],
  ['answer_within', ['confirm']],
  ['lease_max', ['confirm']],
  ['lease_same', ['confirm']],
];

function fitsVerdict(rule: WrittenRule, at: Path, here: Here): void {
  for (const [key, verdicts] of only)
    if (rule[key] !== undefined && !verdicts.includes(rule.verdict))
      here.complaints.aboutKey(
        [...at, key],
        `"${key}" means nothing with verdict "${rule.verdict}"`,
        'no such line',
      );
}
