/** What a run of the suite found, in numbers and in the suite's own words. */
import { table } from '../../src/cli/table.ts';
import type { Check, Scenario, SuiteRun, Verdict } from './suite.ts';

export function count(scenarios: readonly Scenario[], status: Verdict): number {
  return scenarios.reduce(
    (sum, { checks }) => sum + checks.filter((check) => check.status === status).length,
    0,
  );
}

/** Scenario, check and the suite's words for everything that has one of these verdicts; empty when nothing has. */
export function complaints(scenarios: readonly Scenario[], verdicts: readonly Verdict[]): string {
  return scenarios
    .flatMap((scenario) =>
      scenario.checks
        .filter(({ status }) => verdicts.includes(status))
        .map((check) => complaint(scenario, check)),
    )
    .join('\n');
}

function complaint({ name, required }: Scenario, check: Check): string {
  const weight = required ? '' : ', not required';
  return `  ${check.status} ${name} / ${check.id}${weight}\n    ${check.errorMessage ?? check.description}`;
}

/** What the suite left out, and why: neither passed nor failed, so no figure shows it. */
function notTried(scenarios: readonly Scenario[]): string {
  return scenarios
    .flatMap(({ name, checks }) =>
      checks.flatMap(({ id, status, details }) =>
        status === 'INFO' && details?.message !== undefined
          ? [`  INFO ${name} / ${id}\n    ${details.message}`]
          : [],
      ),
    )
    .join('\n');
}

/** A table of the scenarios for a terminal, and under it everything that did not succeed. */
export function tell(run: SuiteRun): string {
  const figure = (scenario: Scenario, status: Verdict): string => String(count([scenario], status) || '');
  const columns = ['SUCCESS', 'FAILURE', 'WARNING', 'SKIPPED'] as const;
  const rows = run.scenarios.map((scenario) => [
    scenario.name,
    scenario.required ? 'yes' : 'no',
    ...columns.map((status) => figure(scenario, status)),
  ]);
  const totals = columns.map((status) => String(count(run.scenarios, status)));
  return [
    table(
      ['SCENARIO', 'REQUIRED', 'PASSED', 'FAILED', 'WARNED', 'SKIPPED'],
      [...rows, [`all ${String(rows.length)} of ${run.revision}`, '', ...totals]],
    ),
    complaints(run.scenarios, ['FAILURE', 'WARNING', 'SKIPPED']),
    notTried(run.scenarios),
    ...(run.missing.length === 0 ? [] : [`  left no checks behind: ${run.missing.join(', ')}`]),
    run.exitCode === undefined
      ? `  it did not come to an end:\n${run.printed}`
      : `  exit code ${String(run.exitCode)}`,
  ]
    .filter((part) => part !== '')
    .join('\n');
}
