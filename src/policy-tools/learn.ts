import type { Contract, Risk, SecretUse, ServerFile } from '../domain/orders.ts';
import { namePattern } from '../policy/match.ts';
import { fillIn } from './lint.ts';
import type { Kind, Observed, Use } from './observed.ts';
import { roundUp } from './peak.ts';
import { commonFolders } from './uris.ts';
import { comment, key, line, list, text } from './write-toml.ts';

/** One rule to write: these callers did these things. */
type Group = {
  readonly kind: Kind;
  readonly confirmed: boolean;
  readonly callers: readonly string[];
  readonly names: readonly string[];
  readonly noted: readonly string[];
};

/**
 * Writes the policy of least privilege under which everything that was seen could have happened, and nothing else. A person
 * has to review it: what a server does behind a name is not to be seen in a journal. `known` is the file in force, from
 * which the way to run the server and the classes of its tools are taken over.
 */
export function learned(
  server: string,
  seen: Observed,
  known: ServerFile | undefined,
  spanText: string,
): string {
  const groups = groupsOf(seen);
  return [
    ...header(server, seen, known, spanText),
    ...launch(known),
    ...contract(known),
    ...limits(seen),
    ...classes(seen, known),
    ...groups.flatMap((group, at) => rule(group, at)),
    ...groups.flatMap((group, at) => examples(group, at)),
    ...closed(),
  ].join('\n');
}

function header(
  server: string,
  seen: Observed,
  known: ServerFile | undefined,
  spanText: string,
): readonly string[] {
  const span =
    seen.sent === 0
      ? 'nothing'
      : `${seen.sent} calls from ${new Date(seen.firstMs).toISOString()} to ${new Date(seen.lastMs).toISOString()}`;
  return [
    comment(`Learned from the journal (${spanText}) for the server "${server}": ${span}.`),
    comment(
      'IT MUST BE REVIEWED BY A PERSON. What was done is not what should be allowed, and what a tool does',
    ),
    comment(`behind its name is not to be seen in a journal. Everything that says ${fillIn} waits for you.`),
    comment(`Then: mcpd policy check, mcpd policy test, and mcpd policy replay --with the folder it is in.`),
    // Without this, somebody would put a wider policy in force and take it for a narrower one.
    ...(known === undefined || !hasTerms(known)
      ? []
      : [
          comment(
            `${fillIn}: ${known.file} also denies, or has conditions on arguments, redactions or limits. None of`,
          ),
          comment('that is taken over; whatever still holds has to be copied.'),
        ]),
    ...(seen.refused > 0
      ? [comment(`${seen.refused} calls did not go out then; nothing was learned from them.`)]
      : []),
    ...(seen.leftOut > 0
      ? [
          comment(
            `${seen.leftOut} uses are left out: names too long, too many, or with a character that a pattern gives a meaning.`,
          ),
        ]
      : []),
    '',
  ];
}

function hasTerms({ rules, tools, redact, limits: all }: ServerFile): boolean {
  return (
    redact.length > 0 ||
    all.length > 0 ||
    tools.some(({ args }) => args.length > 0) ||
    rules.some(({ args, verdict }) => args.length > 0 || verdict === 'deny')
  );
}

/** How to run it, as it is run now; a journal does not know. */
function launch(known: ServerFile | undefined): readonly string[] {
  if (known === undefined)
    return [
      comment('How to start it; servers/filesystem.toml shows every key.'),
      line('command', fillIn),
      '',
    ];
  const { command, args, cwd, sharing, protocol, env, secrets } = known.spec;
  const table = <Value>(
    name: string,
    entries: Readonly<Record<string, Value>>,
    write: (variable: string, value: Value) => string,
  ) =>
    Object.keys(entries).length === 0
      ? []
      : ['', `[${name}]`, ...Object.entries(entries).map(([variable, value]) => write(variable, value))];
  // Tables come last in this part, because a key after a table's header would belong to it.
  return [
    comment('How it is run: taken over from the file in force; its bounds are at their defaults here.'),
    line('command', command),
    `args = ${list(args)}`,
    line('cwd', cwd),
    line('sharing', sharing),
    line('protocol', protocol),
    ...contractLines(known),
    ...table('env', env, line),
    ...table('secrets', secrets, secretLine),
    '',
  ];
}

function secretLine(variable: string, { reference, ttlMs }: SecretUse): string {
  if (ttlMs === undefined) return line(variable, reference);
  return `${variable} = { from = ${text(reference)}, ttl = ${text(`${Math.ceil(ttlMs / 1000)}s`)} }`;
}

function contract(known: ServerFile | undefined): readonly string[] {
  return known === undefined ? [...contractLines(undefined), ''] : [];
}

function contractLines(known: ServerFile | undefined): readonly string[] {
  const { purpose, owner, outOfScope } = known?.contract ?? {};
  return [
    line('purpose', purpose ?? `${fillIn}: what it is for, in a sentence`),
    line('owner', owner ?? `${fillIn}: who answers for it, and how to reach them`),
    line('out_of_scope', outOfScope ?? `${fillIn}: what it must not be used for`),
    ...(known === undefined ? [] : strictness(known.contract)),
  ];
}

/** A learned file must not be laxer than the one that it was learned under. */
function strictness({ stage, pilots, mode, pins, checkArguments }: Contract): readonly string[] {
  return [
    ...(stage === 'everyone' ? [] : [line('stage', stage)]),
    ...(pilots.length === 0 ? [] : [`pilots = ${list(pilots)}`]),
    ...(mode === 'enforce' ? [] : [line('mode', mode)]),
    ...(pins === 'first' ? [] : [line('pins', pins)]),
    ...(checkArguments ? [] : ['check_arguments = false']),
  ];
}

/** Room for a little more than the busiest minute that was seen. */
function limits(seen: Observed): readonly string[] {
  const caller = Math.max(0, ...[...seen.callers.values()].map(({ perMinute }) => perMinute));
  const tools = [...(seen.uses.get('tool')?.values() ?? [])].flatMap((byCaller) => [...byCaller.values()]);
  const both = Math.max(0, ...tools.map(({ peak }) => peak.perMinute));
  if (caller === 0) return [];
  return [
    '[limits]',
    comment(`The busiest minute of a caller had at most ${caller} calls, ${both} of them to one tool.`),
    line('per_caller', `${roundUp(Math.max(caller, limitMin))}/min`),
    ...(both === 0 ? [] : [line('per_caller_and_tool', `${roundUp(Math.max(both, limitMin))}/min`)]),
    '',
  ];
}

/** Below this a limit would rather annoy than protect. */
const limitMin = 10;

function classes(seen: Observed, known: ServerFile | undefined): readonly string[] {
  return [...(seen.uses.get('tool')?.keys() ?? [])].toSorted().flatMap((tool) => {
    const told = classOf(tool, known);
    const lines =
      told === undefined
        ? [
            comment(`A person must classify this: "read", "write" or "destructive".`),
            line('risk', 'destructive'),
            line('effect', `${fillIn}: what it changes, in a sentence`),
          ]
        : [line('risk', told.risk), line('effect', told.effect)];
    return [`[tools.${key(tool)}]`, ...lines, ''];
  });
}

/** What the file in force says about a tool; the gravest of what fits. */
function classOf(tool: string, known: ServerFile | undefined): { risk: Risk; effect: string } | undefined {
  const grave = { read: 0, write: 1, destructive: 2 } as const;
  const fitting = (known?.tools ?? []).filter(({ name }) => {
    const compiled = namePattern(name);
    return compiled.ok && compiled.pattern.test(tool);
  });
  return fitting.toSorted((a, b) => grave[b.risk] - grave[a.risk])[0];
}

/** Who did the same under the same conditions shares a rule, and nobody is given what only another one did. */
function groupsOf(seen: Observed): readonly Group[] {
  const groups = new Map<string, { group: Group; names: string[]; noted: Set<string> }>();
  for (const [kind, names] of seen.uses) {
    for (const [name, byCaller] of names) {
      for (const confirmed of [false, true]) {
        const users = [...byCaller].filter(([, use]) => use.confirmed === confirmed);
        if (users.length === 0) continue;
        const callers = users.map(([caller]) => caller).toSorted();
        const id = JSON.stringify([kind, confirmed, callers]);
        const known = groups.get(id) ?? fresh({ kind, confirmed, callers, names: [], noted: [] });
        known.names.push(name);
        for (const path of notedBy(users)) known.noted.add(path);
        groups.set(id, known);
      }
    }
  }
  return [...groups.values()].map(({ group, names, noted }) => ({
    ...group,
    names: names.toSorted(),
    noted: [...noted].toSorted(),
  }));
}

function fresh(group: Group): { group: Group; names: string[]; noted: Set<string> } {
  return { group, names: [], noted: new Set() };
}

function notedBy(users: readonly (readonly [string, Use])[]): readonly string[] {
  return users.flatMap(([, { noted }]) => [...noted]);
}

const keyFor: Readonly<Record<Kind, string>> = {
  tool: 'tools',
  prompt: 'prompts',
  resource: 'resources',
  upcall: 'upcalls',
  method: 'methods',
};

function rule(group: Group, at: number): readonly string[] {
  const { kind, callers, names, noted } = group;
  const targets = kind === 'resource' ? commonFolders(names) : names;
  return [
    '[[rule]]',
    line('name', nameOf(group, at)),
    line('verdict', verdictOf(group)),
    `callers = ${list(callers)}`,
    `${keyFor[kind]} = ${list(targets)}`,
    ...(noted.length === 0 ? [] : [`record = ${list(noted)}`]),
    '',
  ];
}

function nameOf({ kind, confirmed }: Group, at: number): string {
  return `seen ${at + 1}: ${keyFor[kind]}${confirmed ? ', with a yes' : ''}`;
}

function verdictOf({ kind, confirmed }: Group): 'allow' | 'confirm' {
  // A message of the server's cannot be held for a yes.
  return confirmed && kind !== 'upcall' ? 'confirm' : 'allow';
}

/** One example of each rule, so that a later change shows. */
function examples(group: Group, at: number): readonly string[] {
  const [caller, name] = [group.callers[0], group.names[0]];
  if (caller === undefined || name === undefined) return [];
  return [
    '[[case]]',
    line('name', `${nameOf(group, at)}, an example`),
    line('caller', caller),
    line(group.kind, name),
    line('expect', verdictOf(group)),
    line('rule', nameOf(group, at)),
    '',
  ];
}

function closed(): readonly string[] {
  return [
    '[[case]]',
    line('name', 'what nobody called stays closed'),
    line('caller', 'somebody-new'),
    line('tool', 'something_new'),
    line('expect', 'deny'),
    '',
  ];
}
