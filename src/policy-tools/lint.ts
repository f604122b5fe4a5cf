import type { Complaint } from '../config/complaint.ts';
import { covers } from '../config/covers.ts';
import type { RuleText, ServerFile, ToolText } from '../domain/orders.ts';
import { overlap } from './overlap.ts';

/** What a person has to write in place of this was not written yet. `mcpd policy learn` leaves it behind. */
export const fillIn = 'FILL IN';

/** Where a key stands; for an absent one, the file it is absent from. */
type PlaceOf = (file: string, path: readonly string[]) => { readonly line: number; readonly column: number };

/**
 * Doubts about a file that is valid: what is missing from its contract, and rules that do not do what they look like. All
 * of them are warnings, because none of them allows more than is written.
 */
export function lint(file: ServerFile, placeOf: PlaceOf, nowMs: number): readonly Complaint[] {
  return [...contractDoubts(file, placeOf), ...file.rules.flatMap((rule) => ruleDoubts(rule, file, nowMs))];
}

function contractDoubts({ file, contract, tools }: ServerFile, placeOf: PlaceOf): readonly Complaint[] {
  const { purpose, owner, outOfScope, pins, checkArguments } = contract;
  const about = (key: string, what: string, expected: string): Complaint => ({
    severity: 'warning',
    file,
    ...placeOf(file, [key]),
    what,
    expected,
  });
  const words = [
    ['owner', owner, 'who answers for this server, and how to reach them'],
    ['purpose', purpose, 'what it is for, in a sentence'],
    ['out_of_scope', outOfScope, 'what it must not be used for'],
  ] as const;
  const doubts = words.flatMap(([key, value, expected]) => {
    if (value === undefined) return [about(key, `there is no "${key}"`, expected)];
    return value.includes(fillIn) ? [about(key, `"${key}" is not filled in yet`, expected)] : [];
  });
  for (const { name, effect, place } of tools)
    if (effect.includes(fillIn))
      doubts.push(
        warning(
          place,
          `nobody has classified ${JSON.stringify(name)} yet`,
          'its risk, and its effect in a sentence',
        ),
      );
  if (pins === 'off')
    doubts.push(about('pins', 'a tool may become another one behind its name', '"first" or "approved"'));
  if (!checkArguments)
    doubts.push(
      about('check_arguments', 'arguments go out that do not fit the schema of the tool', 'no such line'),
    );
  return doubts;
}

function ruleDoubts(rule: RuleText, { tools, rules }: ServerFile, nowMs: number): readonly Complaint[] {
  const { name, place, verdict, untilMs } = rule;
  const about = (what: string, expected: string): Complaint =>
    warning(place, `rule "${name}": ${what}`, expected);
  const doubts: Complaint[] = [];
  if (untilMs !== undefined && untilMs <= nowMs)
    doubts.push(
      about(
        `it ran out at ${new Date(untilMs).toISOString()} and grants nothing any more`,
        'a later "until", or no such rule',
      ),
    );
  const stricter = rules.find((other) => other !== rule && overshadows(other, rule));
  if (stricter !== undefined)
    doubts.push(
      about(
        `it never has a say: "${stricter.name}" (line ${stricter.place.line}, ${stricter.verdict}) speaks of everything it names, and is stricter`,
        'fewer names there, or no such rule here',
      ),
    );
  if (verdict === 'deny') return doubts;
  for (const tool of rule.tools) {
    const classes = classesOf(tool, tools);
    if (classes.length === 0)
      doubts.push(
        about(
          `${JSON.stringify(tool)} is not classified, so it is denied whatever this rule says`,
          `a table [tools.${keyOf(tool)}] with risk and effect`,
        ),
      );
    else if (rule.risk !== undefined && !tool.includes('*') && !canBe(rule.risk, classes))
      doubts.push(
        about(
          `${JSON.stringify(tool)} is classed ${gravest(classes)}, which is not in its "risk"`,
          'another class in one of the two places',
        ),
      );
    else if (
      verdict === 'allow' &&
      /^\*+$/.test(tool) &&
      rule.risk === undefined &&
      rule.mode === 'enforce'
    ) {
      const acting = classes.filter(({ risk }) => risk !== 'read').map((it) => it.name);
      if (acting.length > 0)
        doubts.push(
          about(
            `"*" allows what acts at once: ${acting.slice(0, 5).join(', ')}${acting.length > 5 ? ', …' : ''}`,
            'risk = ["read"], or the names, or "confirm"',
          ),
        );
    }
  }
  return doubts;
}

const rank = { allow: 0, confirm: 1, deny: 2 } as const;

/** Whether a rule leaves another one nothing to say: stricter, without conditions of its own, and about at least as much. */
function overshadows(strong: RuleText, weak: RuleText): boolean {
  if (rank[strong.verdict] <= rank[weak.verdict] || strong.mode === 'observe') return false;
  if (strong.args.length > 0 || strong.untilMs !== undefined) return false;
  if (strong.risk !== undefined && !sameList(strong.risk, weak.risk)) return false;
  if (strong.surfaces !== undefined && !sameList(strong.surfaces, weak.surfaces)) return false;
  if (!whoCovers(strong, weak)) return false;
  return (
    all(weak.tools, strong.tools, names) &&
    all(weak.prompts, strong.prompts, names) &&
    all(weak.upcalls, strong.upcalls, names) &&
    all(weak.methods, strong.methods, names) &&
    all(weak.resources, strong.resources, uris)
  );
}

/** A rule with both callers and roles is compared only with one that has neither: who fits it is known to the engine alone. */
function whoCovers(strong: RuleText, weak: RuleText): boolean {
  if (strong.callers === undefined && strong.roles === undefined) return true;
  if (strong.roles !== undefined || weak.callers === undefined || strong.callers === undefined) return false;
  return all(weak.callers, strong.callers, names);
}

const names = (wide: string, narrow: string): boolean => fast(wide, narrow) && covers(wide, narrow, 'name');
const uris = (wide: string, narrow: string): boolean => fast(wide, narrow) && covers(wide, narrow, 'uri');

/** Most pairs of names have not even their first letters in common, and there may be millions of pairs. */
function fast(wide: string, narrow: string): boolean {
  const star = wide.indexOf('*');
  return star < 0 ? wide === narrow : narrow.startsWith(wide.slice(0, star));
}

function all(
  weak: readonly string[],
  strong: readonly string[],
  covering: (wide: string, narrow: string) => boolean,
): boolean {
  return weak.every((it) => strong.some((pattern) => covering(pattern, it)));
}

function sameList(one: readonly string[], other: readonly string[] | undefined): boolean {
  return other !== undefined && other.every((it) => one.includes(it));
}

/** What is said about the class of a name, or of anything that a pattern fits. */
function classesOf(name: string, tools: readonly ToolText[]): readonly ToolText[] {
  if (!name.includes('*')) return tools.filter((tool) => covers(tool.name, name));
  return tools.filter((tool) =>
    tool.name.includes('*') ? overlap(tool.name, name) : covers(name, tool.name),
  );
}

const grave = { read: 0, write: 1, destructive: 2 } as const;

function gravest(classes: readonly ToolText[]): ToolText['risk'] {
  return classes.map(({ risk }) => risk).reduce((a, b) => (grave[b] > grave[a] ? b : a), 'read');
}

/** The tool's own annotations can only make the class graver than this. */
function canBe(wanted: readonly ToolText['risk'][], classes: readonly ToolText[]): boolean {
  return wanted.some((risk) => grave[risk] >= grave[gravest(classes)]);
}

function keyOf(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name);
}

function warning(at: { file: string; line: number }, what: string, expected: string): Complaint {
  return { severity: 'warning', file: at.file, line: at.line, column: 1, what, expected };
}
