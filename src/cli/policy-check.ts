import type { Command } from 'commander';
import type { Complaint } from '../config/complaint.ts';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { policiesDir } from './place.ts';
import { factsFrom, readFolder, type Folder } from './policy-folder.ts';
import { typed } from './policy-tell.ts';
import { plural } from './words.ts';

/** `mcpd policy check`, also to be typed `mcpd check`: would the daemon start with these files, and do they mean what they say? */
export function addPolicyCheck(policy: Command, io: Io, finish: Finish): void {
  checkCommand(policy, 'mcpd policy check', io, finish);
}

export function checkCommand(parent: Command, asTyped: string, io: Io, finish: Finish): void {
  leaf(parent, 'check')
    .summary('check the policy files without running anything')
    .description(
      'Reads and compiles every policy file as the daemon would, and says everything that is wrong with it at once, and ' +
        'where. Warns about what is valid and hardly meant: rules that never have a say, tools that nobody classified, ' +
        'missing owners, rules without an example. Exit code 0 also with warnings, 78 when something has to be mended.',
    )
    .addHelpText('after', examples([asTyped, `${asTyped} --policies /etc/mcpd --json`]))
    .action(async ({ policies, json }: { policies?: string; json?: true }) => {
      const command = asTyped.replace('mcpd ', '');
      finish(await check(command, policiesDir(policies, io.env), io), json === true);
    });
}

async function check(command: string, dir: string, io: Io): Promise<Told> {
  const read = await readFolder(dir, io.env);
  if (!read.ok) return read.told;
  const { folder } = read;
  const { printComplaint } = await import('../config/complaint.ts');
  const { uncovered, cases } = await examplesOf(folder, io.now());
  const warnings = inOrder([...folder.loaded.warnings, ...(await doubts(folder, io.now())), ...uncovered]);
  const servers = folder.files.map(({ spec, rules, contract, cases: own }) => ({
    name: spec.name,
    sharing: spec.sharing,
    stage: contract.stage,
    mode: contract.mode,
    rules: rules.length,
    cases: own.length,
  }));
  const rules = servers.reduce((sum, it) => sum + it.rules, 0);
  const counts = `${plural(servers.length, 'server')}, ${plural(rules, 'rule')}, ${plural(cases, 'case')}`;
  const observing = servers.filter(({ mode, stage }) => mode === 'observe' || stage === 'observe');
  const shadows = folder.files.flatMap((file) => file.rules.filter(({ mode }) => mode === 'observe')).length;
  const notes = [
    ...observing.map(({ name }) => `${name} only observes: its verdicts are recorded and not carried out`),
    ...(shadows === 0 ? [] : [`${plural(shadows, 'rule')} with mode = "observe": recorded, not carried out`]),
    `${dir}: ${counts}, all in order (${folder.loaded.digest})`,
    ...(cases > 0 ? [`to run the cases: ${typed('policy test', io.env)}`] : []),
  ];
  return {
    reply: {
      ok: true,
      command,
      policies: dir,
      digest: folder.loaded.digest,
      stateDir: folder.loaded.daemon.stateDir,
      servers,
      cases,
      warnings,
    },
    text: [...warnings.map(printComplaint), ...notes].join('\n'),
  };
}

async function doubts({ files, loaded }: Folder, nowMs: number): Promise<readonly Complaint[]> {
  const { lint } = await import('../policy-tools/lint.ts');
  return files.flatMap((file) => lint(file, loaded.placeOf, nowMs));
}

const namedMax = 5;

/** Which rules no case decides: one warning a file. Whether the cases pass is for `mcpd policy test` to say. */
async function examplesOf(folder: Folder, nowMs: number) {
  const { runCases } = await import('../policy-tools/cases.ts');
  const { coverage } = await import('../policy-tools/coverage.ts');
  const factsAt = await factsFrom();
  const results = runCases(folder.orders, folder.files, (at) => factsAt(at ?? nowMs));
  const uncovered = folder.files.flatMap((file): Complaint[] => {
    const missing = coverage([file], results).uncovered;
    const [first] = missing;
    if (first === undefined) return [];
    const names = missing.slice(0, namedMax).map(({ rule }) => `"${rule}"`);
    const more = missing.length > namedMax ? ', …' : '';
    const what = `no case shows what ${plural(missing.length, 'rule')} of ${file.rules.length} decide: ${names.join(', ')}${more}`;
    const expected = 'a [[case]] for each, so that a later change shows';
    return [
      { severity: 'warning', file: first.place.file, line: first.place.line, column: 1, what, expected },
    ];
  });
  return { uncovered, cases: results.length };
}

/** By file and line; what two of us noticed is said once. */
function inOrder(warnings: readonly Complaint[]): readonly Complaint[] {
  const once = new Map(warnings.map((it) => [`${it.file}:${it.line}: ${it.what}`, it]));
  return [...once.values()].toSorted((a, b) =>
    a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1,
  );
}
