import { resolve } from 'node:path';
import type { Command } from 'commander';
import { printable } from '../domain/printable.ts';
import type { Compared, Difference } from '../policy-tools/diff.ts';
import type { Finish, Io, Told } from './io.ts';
import { examples } from './help.ts';
import { factsFrom, readFolder } from './policy-folder.ts';
import { finishReport, ruleAt } from './policy-tell.ts';
import { plural } from './words.ts';

/** `mcpd policy diff`: what two policies decide differently. */
export function addPolicyDiff(policy: Command, io: Io, finish: Finish): void {
  policy
    .command('diff')
    .argument('<OLD>', 'policy folder')
    .argument('<NEW>', 'policy folder')
    .option('--json', 'answer with one line of JSON')
    .summary('what two policy folders decide differently')
    .description(
      'Puts the same questions to two policy folders and shows the answers that differ; what became looser comes first. ' +
        'Asked about is every caller, tool, resource, prompt and method that either side names, a sample of each pattern, ' +
        'the arguments of every [[case]], and a stranger of each kind. Exit code 0 when nothing differs, 1 when something does.',
    )
    .addHelpText(
      'after',
      examples([
        'mcpd policy diff policies candidate',
        'git worktree add /tmp/old main && mcpd policy diff /tmp/old/policies policies',
        'mcpd policy diff policies candidate --json | jq .differences',
      ]),
    )
    .action(async (old: string, next: string, { json }: { json?: true }) => {
      finishReport(io, finish, await diff(resolve(old), resolve(next), io), json === true);
    });
}

async function diff(old: string, next: string, io: Io): Promise<Told> {
  const [was, now] = [await readFolder(old, io.env), await readFolder(next, io.env)];
  if (!was.ok) return was.told;
  if (!now.ok) return now.told;
  const { compare } = await import('../policy-tools/diff.ts');
  const compared = compare(was.folder, now.folder, (await factsFrom())(io.now()));
  const { differences, asked, leftOut } = compared;
  const parts = { command: 'policy diff', old, new: next, asked, leftOut, differences };
  const footer = [
    `${asked} questions asked; switches, grants and annotations of tools are not counted`,
    ...(leftOut === 0 ? [] : [`${plural(leftOut, 'name')} left out: there are too many to ask about all`]),
  ];
  if (differences.length === 0)
    return { reply: { ok: true, ...parts }, text: ['They decide the same.', ...footer].join('\n') };
  const says = `${plural(differences.length, 'difference')}: ${counts(compared)}`;
  return {
    reply: {
      ok: false,
      error: { code: 'DIFFERENT', says, hint: 'read what was loosened before you agree' },
      ...parts,
    },
    text: [...sections(differences), ...footer].join('\n'),
  };
}

const directions = ['loosened', 'tightened', 'changed'] as const;

function counts({ differences }: Compared): string {
  return directions
    .map((direction) => `${differences.filter((it) => it.direction === direction).length} ${direction}`)
    .join(', ');
}

function sections(differences: readonly Difference[]): readonly string[] {
  return directions.flatMap((direction) => {
    const own = differences.filter((it) => it.direction === direction);
    return own.length === 0 ? [] : [`${direction.toUpperCase()} (${own.length})`, ...own.flatMap(shown), ''];
  });
}

const callersShown = 8;

function shown({ server, target, args, callers, was, now, what }: Difference): readonly string[] {
  const where = printable(target === undefined ? server : `${server} ${target}`);
  const given = args === undefined ? '' : ` with ${printable(args)}`;
  if (was === undefined || now === undefined) return [`  ${where}: ${printable(what ?? '')}`];
  const names = callers.slice(0, callersShown).join(', ');
  const more = callers.length > callersShown ? ` and ${callers.length - callersShown} more` : '';
  const rules =
    what === undefined
      ? `${was.kind} by ${ruleAt(was.rule, was.place)} → ${now.kind} by ${ruleAt(now.rule, now.place)}`
      : `${now.kind} by ${ruleAt(now.rule, now.place)}: ${printable(what)}`;
  return [`  ${where}${given}: ${rules}`, `      for ${printable(names)}${more}`];
}
