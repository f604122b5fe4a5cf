import { risks, type Risk, type RuleText, type ToolText } from '../domain/orders.ts';
import { quote } from './complaint.ts';
import { covers } from './covers.ts';
import type { Here } from './here.ts';
import type { Terms } from './terms.ts';

/**
 * An "allow" opens, and so does a "confirm" about something that the base does not allow at all: a person may then be asked
 * for what the owner of the base meant never to happen.
 */
export function rulesRestrict(base: Terms, own: Terms, here: Here): void {
  const names = new Set(base.rules.map(({ name }) => name));
  own.rules.forEach((rule, index) => {
    const at = ['rule', index];
    if (names.has(rule.name))
      here.complaints.about(
        [...at, 'name'],
        `duplicate: a rule of the base is named ${quote(rule.name)}`,
        'a name of its own',
      );
    if (rule.verdict === 'allow')
      here.complaints.about(
        [...at, 'verdict'],
        'a file that extends can only restrict',
        '"deny" or "confirm"',
      );
    if (rule.verdict !== 'confirm') return;
    for (const { key, name } of notAllowedBy(base.rules, rule))
      here.complaints.about(
        [...at, key, rule[key].indexOf(name)],
        `no rule of the base allows ${quote(name)} to all whom this one asks about`,
        'targets, callers and conditions that one rule of the base has as well',
      );
  });
}

const targetKeys = ['tools', 'resources', 'prompts', 'methods'] as const;

/** The targets of a rule that no single rule of the base grants wherever this one would. */
function notAllowedBy(
  base: readonly RuleText[],
  rule: RuleText,
): readonly { readonly key: (typeof targetKeys)[number]; readonly name: string }[] {
  const wide = base.filter((one) => one.verdict !== 'deny' && grantsWherever(one, rule));
  return targetKeys.flatMap((key) => {
    const kind = key === 'resources' ? 'uri' : 'name';
    return rule[key]
      .filter((name) => !wide.some((one) => one[key].some((pattern) => covers(pattern, name, kind))))
      .map((name) => ({ key, name }));
  });
}

/** Whether what restricts the wide rule, targets aside, restricts the narrow one at least as much. */
function grantsWherever(wide: RuleText, narrow: RuleText): boolean {
  const { callers, roles, surfaces, risk } = narrow;
  return (
    (narrow.mode === 'observe' || wide.mode === 'enforce') &&
    (wide.callers === undefined ||
      (callers?.every((name) => wide.callers?.some((one) => covers(one, name))) ?? false)) &&
    within(roles, wide.roles) &&
    within(surfaces, wide.surfaces) &&
    within(risk, wide.risk) &&
    (wide.untilMs === undefined || (narrow.untilMs !== undefined && narrow.untilMs <= wide.untilMs)) &&
    wide.args.every((one) => narrow.args.some((other) => same(one, other)))
  );
}

function within(some: readonly string[] | undefined, all: readonly string[] | undefined): boolean {
  return all === undefined || (some?.every((one) => all.includes(one)) ?? false);
}

/** Both were made by the same code from the same shape, so their members stand in the same order. */
function same(one: unknown, other: unknown): boolean {
  const exact = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  return JSON.stringify(one, exact) === JSON.stringify(other, exact);
}

/** A tool that the base has not classed is denied; a class given here would open it. */
export function toolsRestrict(base: Terms, own: Terms, { complaints }: Here): void {
  for (const tool of own.tools) {
    const { name, risk, retry } = tool;
    const wide = base.tools.filter((one) => covers(one.name, name));
    if (wide.length === 0)
      complaints.aboutKey(
        ['tools', name],
        `the base has no class for every tool that ${quote(name)} fits`,
        'tools that a [tools.*] of the base fits',
      );
    if (retry !== undefined)
      complaints.aboutKey(['tools', name, 'retry'], 'a file that extends can only restrict', 'no such line');
    const least = Math.max(0, ...wide.map((one) => risks.indexOf(one.risk)));
    const rule = openedBy(base.rules, tool, risks.slice(least, risks.indexOf(risk)));
    if (rule !== undefined)
      complaints.about(
        ['tools', name, 'risk'],
        `the rule ${quote(rule.name)} of the base is milder with class "${risk}"`,
        'the class that the base gives, and rules that deny or ask',
      );
  }
}

/**
 * The rule of the base that makes a graver class a way out: one that holds back the milder class only, or opens the graver
 * one where nothing opens the milder.
 */
function openedBy(base: readonly RuleText[], tool: ToolText, milder: readonly Risk[]): RuleText | undefined {
  const rules = base.filter(({ mode, tools }) => mode === 'enforce' && tools.length > 0);
  const about = ({ risk }: RuleText, one: Risk) => risk === undefined || risk.includes(one);
  const allowed = rules.some((rule) => rule.verdict === 'allow' && about(rule, tool.risk));
  for (const from of milder)
    for (const rule of rules) {
      if (about(rule, from) === about(rule, tool.risk)) continue;
      if (about(rule, from)) {
        if (rule.verdict === 'deny' || (rule.verdict === 'confirm' && allowed)) return rule;
        continue;
      }
      if (rule.verdict === 'deny') continue;
      const openBefore = rules.some(
        (other) =>
          about(other, from) &&
          (other.verdict === 'allow' || other.verdict === rule.verdict) &&
          grantsWherever({ ...other, risk: undefined }, rule) &&
          reaches(other, rule, tool.name),
      );
      if (!openBefore) return rule;
    }
  return undefined;
}

/** Whether a rule speaks of the tool wherever another one does. */
function reaches({ tools }: RuleText, other: RuleText, tool: string): boolean {
  const all = (names: readonly string[]) => names.every((name) => tools.some((wide) => covers(wide, name)));
  return all([tool]) || all(other.tools);
}
