// The official conformance suite, both frozen sets of requirements, through a real daemon to a server over stdio.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { TestDaemon } from '../support/daemon.ts';
import { complaints, count, tell } from './report.ts';
import { endpoint, serveConformance } from './served.ts';
import { runSuite, type Scenario, type SuiteRun } from './suite.ts';

/** Every check that the suite makes of the tasks extension. None is required of anyone; what works once, works on. */
const tasksPassed = 44;

describe('the conformance suite', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await serveConformance();
  });
  after(async () => daemon[Symbol.asyncDispose]());

  it('2025-11-25: 84 checks pass and none fails', async () => {
    const run = await runSuite(endpoint(daemon), '2025-11-25');
    noneFailed(run.scenarios);
    cameToItsEnd(run);
    // All there are: fewer means that something was not tried, for instance a stream that was answered as plain JSON.
    assert.equal(count(run.scenarios, 'SUCCESS'), 84, tell(run));
  });

  it('2026-07-28: nothing that is required fails, nothing of the tasks extension is lost', async () => {
    const run = await runSuite(endpoint(daemon), '2026-07-28');
    const isTasks = ({ name }: Scenario): boolean => name.startsWith('tasks-');
    const tasks = run.scenarios.filter(isTasks);
    noneFailed(run.scenarios.filter((scenario) => !isTasks(scenario)));
    cameToItsEnd(run);
    const passed = count(tasks, 'SUCCESS');
    assert.ok(
      passed >= tasksPassed,
      `${String(passed)} checks of the tasks extension pass, not ${String(tasksPassed)}\n${complaints(tasks, ['FAILURE'])}`,
    );
  });
});

function noneFailed(scenarios: readonly Scenario[]): void {
  const failures = complaints(scenarios, ['FAILURE']);
  assert.equal(failures, '', `\n${failures}`);
}

function cameToItsEnd({ exitCode, missing, printed }: SuiteRun): void {
  // A scenario that throws leaves no checks, so it would not be among the failures.
  assert.deepEqual(missing, [], `scenarios that left no checks behind\n${printed}`);
  assert.equal(exitCode, 0, printed);
}
