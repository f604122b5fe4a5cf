import { resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { printable } from '../domain/printable.ts';
import type { ServerFile } from '../domain/orders.ts';
import type { CaseResult } from '../policy-tools/cases.ts';
import type { Coverage } from '../policy-tools/coverage.ts';
import type { Io, Finish, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { policiesDir } from './place.ts';
import { factsFrom, readFolder } from './policy-folder.ts';
import { at, finishReport, misused, ruleAt, typed } from './policy-tell.ts';
import { plural } from './words.ts';

type Options = { readonly policies?: string; readonly json?: true; readonly coverageMin?: number };

/** `mcpd policy test`: does the policy say what its owner thinks it says? */
export function addPolicyTest(policy: Command, io: Io, finish: Finish): void {
  leaf(policy, 'test')
    .argument('[file...]', 'only the cases of these server files (default: of all)')
    .option('--coverage-min <percent>', 'fail when cases decide fewer of the rules', percent)
    .summary('run the cases in the policy files')
    .description(
      'Runs every [[case]] of the policy files: decides it as the daemon would and compares that with what it expects. ' +
        'Says which rules no case decides. A case without "args" is a call without arguments. Exit code 1 when a case ' +
        'fails or there is none.\n\n' +
        '  [[case]]\n  name = "nobody deletes"\n  caller = "ana"\n  tool = "delete_file"\n' +
        '  args = { path = "/srv/x" }\n  expect = "deny"          # or "allow", "confirm"\n' +
        '  rule = "no deleting"     # the rule that must be the reason; may be left out',
    )
    .addHelpText(
      'after',
      examples([
        'mcpd policy test',
        'mcpd policy test policies/servers/files.toml',
        'mcpd policy test --coverage-min 100 --json',
      ]),
    )
    .action(async (files: readonly string[], options: Options) => {
      finishReport(io, finish, await test(files, options, io), options.json === true);
    });
}

async function test(wanted: readonly string[], options: Options, io: Io): Promise<Told> {
  const dir = policiesDir(options.policies, io.env);
  const read = await readFolder(dir, io.env);
  if (!read.ok) return read.told;
  const { folder } = read;
  const files = chosen(folder.files, wanted);
  if (!files.ok) return misused(files.says, files.hint);
  const { runCases } = await import('../policy-tools/cases.ts');
  const { coverage } = await import('../policy-tools/coverage.ts');
  const factsAt = await factsFrom();
  const nowMs = io.now();
  const results = runCases(folder.orders, files.chosen, (when) => factsAt(when ?? nowMs));
  return told(results, coverage(files.chosen, results), options.coverageMin, io.env);
}

function told(
  results: readonly CaseResult[],
  covered: Coverage,
  coverageMin: number | undefined,
  env: Io['env'],
): Told {
  const failed = results.filter(({ passed }) => !passed);
  const parts = { command: 'policy test', cases: results, failed: failed.length, coverage: covered };
  const text = [...results.flatMap(shown), ...coverageText(covered)].join('\n');
  const wrong = (code: string, says: string, hint: string): Told => ({
    reply: { ok: false, error: { code, says, hint }, ...parts },
    text,
  });
  if (failed.length > 0) {
    const hint =
      'mend the rule or the case; to see every rule: mcpd policy explain CALLER SERVER/TOOL --args JSON';
    return wrong('CASES_FAILED', `${failed.length} of ${plural(results.length, 'case')} failed`, hint);
  }
  // Nothing that was looked at is no proof.
  if (results.length === 0)
    return wrong(
      'NO_CASES',
      'there is no [[case]] to run',
      `${typed('policy test --help', env)} shows how to write one`,
    );
  if (coverageMin !== undefined && covered.percent < coverageMin) {
    const says = `cases decide ${covered.percent} % of the rules, and ${coverageMin} % are wanted`;
    return wrong('NOT_COVERED', says, 'write a [[case]] for each rule that is listed');
  }
  return { reply: { ok: true, ...parts }, text: `${text}\n${plural(results.length, 'case')} passed` };
}

function shown(it: CaseResult): readonly string[] {
  const { passed, place, name, caller, server, target, expected, got } = it;
  const what = `${printable(caller)} → ${printable(`${server}/${target}`)}`;
  const said = `${got.kind} by ${ruleAt(got.rule, got.place)}`;
  if (passed) return [`ok    ${at(place)}: ${printable(name)}: ${what}: ${said}`];
  const by = expected.rule === undefined ? '' : ` by rule "${printable(expected.rule)}"`;
  return [
    `FAIL  ${at(place)}: ${printable(name)}: ${what}: expected ${expected.kind}${by}, got ${said}`,
    ...it.because.map((why) => `      ${printable(why)}`),
  ];
}

function coverageText({ rules, covered, percent: share, uncovered }: Coverage): readonly string[] {
  return [
    '',
    `${covered} of ${plural(rules, 'rule')} decided by a case: ${share} %`,
    ...uncovered.map(({ rule, place }) => `      ${at(place)}: no case for rule "${printable(rule)}"`),
  ];
}

/** The files that were named, by path or by the name of the server; or what is wrong with a name. */
function chosen(
  files: readonly ServerFile[],
  wanted: readonly string[],
):
  | { readonly ok: true; readonly chosen: readonly ServerFile[] }
  | { readonly ok: false; readonly says: string; readonly hint: string } {
  if (wanted.length === 0) return { ok: true, chosen: files };
  const found: ServerFile[] = [];
  for (const name of wanted) {
    const file = files.find((it) => resolve(it.file) === resolve(name) || it.spec.name === name);
    if (file === undefined) {
      const known = files.map((it) => it.file).join(', ');
      const says = `${name} is no server file of this policy folder`;
      return { ok: false, says, hint: `one of ${known}; another folder: --policies DIR` };
    }
    if (!found.includes(file)) found.push(file);
  }
  return { ok: true, chosen: found };
}

function percent(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > 100) throw new InvalidArgumentError('It must be 0 to 100.');
  return Number(text);
}
