import { resolve } from 'node:path';
import type { Command } from 'commander';
import { printable } from '../domain/printable.ts';
import type { Replayed } from '../policy-tools/replay.ts';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { auditDirIn, policiesDir, stateDir } from './place.ts';
import { factsFrom, readFolder } from './policy-folder.ts';
import { ruleAt } from './policy-tell.ts';
import { plural } from './words.ts';

type Options = {
  readonly policies?: string;
  readonly json?: true;
  readonly since: string;
  readonly with: string;
  readonly server?: string;
};

/** `mcpd policy replay`: which calls of the past another policy would decide differently. */
export function addPolicyReplay(policy: Command, io: Io, finish: Finish): void {
  leaf(policy, 'replay')
    .requiredOption('--with <dir>', 'the policy folder to decide with')
    .option('--since <when>', '90s, 30min, 2h, 7d, or a date such as 2026-01-31', '7d')
    .option('--server <name>', 'only calls to one server')
    .summary('decide recorded calls again under another policy')
    .description(
      'Reads the journal, decides every call in it again under another policy folder, as if that had been in force at the ' +
        'time, and shows what would have been decided differently. Needs no daemon and calls nothing. Arguments are known ' +
        'only where the journal keeps them (record_payloads = true); a call without is judged as if its arguments met what ' +
        'allows, and not what denies. Limits, approvals, switches and grants are not replayed. Exit code 0 when it could be done.',
    )
    .addHelpText(
      'after',
      examples([
        'mcpd policy replay --with candidate',
        'mcpd policy replay --since 30d --with candidate --server files --json | jq .groups',
        'mcpd audit query --correlation ID   (the newest call of a group)',
      ]),
    )
    .action(async (options: Options) => {
      finish(await replayed(options, io), options.json === true);
    });
}

async function replayed({ with: dir, server, policies, since }: Options, io: Io): Promise<Told> {
  const candidate = resolve(dir);
  const read = await readFolder(candidate, io.env);
  if (!read.ok) return read.told;
  const { replay } = await import('../policy-tools/replay.ts');
  const { readJournal } = await import('../audit/journal-files.ts');
  const journal = auditDirIn(stateDir(policiesDir(policies, io.env), io.env));
  const { parseSince } = await import('../audit/query.ts');
  const sinceMs = parseSince(since, io.now());
  const factsAt = await factsFrom();
  const found = await replay(readJournal(journal), read.folder.orders, { sinceMs, server }, factsAt);
  const { groups, ...counts } = found;
  // A candidate that lets everything through would look like the best of all.
  const observing = read.folder.files.filter(
    ({ contract: { mode, stage } }) => mode === 'observe' || stage === 'observe',
  );
  const idle = observing.map(
    ({ spec }) =>
      `${printable(spec.name)} only observes in the candidate, so all of its calls are allowed there`,
  );
  // Most likely another journal was meant, and "no differences" would be believed.
  const nothing =
    found.judged > 0 ? [] : [`no call in ${printable(journal)} since ${new Date(sinceMs).toISOString()}`];
  return {
    reply: {
      ok: true,
      command: 'policy replay',
      journal,
      with: candidate,
      digest: read.folder.loaded.digest,
      since: new Date(sinceMs).toISOString(),
      ...counts,
      observing: observing.map(({ spec }) => spec.name),
      groups,
    },
    text: [
      ...groupLines(found, (rule) => placeIn(read.folder, rule)),
      ...summary(found),
      ...idle,
      ...nothing,
    ].join('\n'),
  };
}

type PlaceIn = (rule: { readonly server: string; readonly rule: string }) => string;

function placeIn(
  folder: Extract<Awaited<ReturnType<typeof readFolder>>, { ok: true }>['folder'],
  it: { server: string; rule: string },
): string {
  const place = folder.orders.servers.get(it.server)?.rules.find(({ text }) => text.name === it.rule)
    ?.text.place;
  return ruleAt(it.rule, place);
}

const groupsShown = 100;

function groupLines({ groups }: Replayed, named: PlaceIn): readonly string[] {
  const lines = groups
    .slice(0, groupsShown)
    .flatMap(({ caller, server, kind, target, was, now, ...it }) => [
      `${it.count} × ${printable(caller)} → ${printable(server)} ${printable(kind)} ${printable(target)}: ${printable(was.kind)} → ${now.kind}`,
      `      was: ${ruleAt(was.rule, undefined)}; would be: ${named({ server, rule: now.rule })}`,
      `      newest: ${printable(it.newest)}${it.withoutArgs === 0 ? '' : `; ${it.withoutArgs} of them judged without their arguments`}`,
    ]);
  const more = groups.length - groupsShown;
  return more > 0 ? [...lines, `… and ${plural(more, 'group')} more: --json shows them`] : lines;
}

function summary(it: Replayed): readonly string[] {
  const about = (count: number, says: string) => (count === 0 ? [] : [`${plural(count, 'call')} ${says}`]);
  return [
    ...(it.different === 0 ? [] : ['']),
    `${plural(it.judged, 'call')} decided again: ${it.different} differently`,
    ...about(it.byAnotherRule, 'the same, by another rule'),
    ...about(
      it.withoutArgs,
      'judged without arguments: they are not recorded (record_payloads = true keeps them)',
    ),
    ...about(it.ungrouped, 'decided differently and in no group: there are too many'),
    ...about(it.leftOut, 'left out: a switch, a quarantine or a grant decided then'),
    ...about(it.cut, 'left out: the name was too long for the journal'),
    ...(it.unreadable === 0 ? [] : [`${plural(it.unreadable, 'line')} of the journal cannot be read`]),
  ];
}
