import type { Command } from 'commander';
import { examples } from './help.ts';
import type { Finish, Io } from './io.ts';
import { addPolicyCheck } from './policy-check.ts';
import { addPolicyDiff } from './policy-diff.ts';
import { addPolicyExplain } from './policy-explain.ts';
import { addPolicyFmt } from './policy-fmt.ts';
import { addPolicyLearn } from './policy-learn.ts';
import { addPolicyReplay } from './policy-replay.ts';
import { addPolicySchema } from './policy-schema.ts';
import { addPolicyTest } from './policy-test.ts';

/** `mcpd policy …`: tools for whoever owns a policy. All of them read files, so they work without the daemon. */
export function addPolicy(program: Command, io: Io, finish: Finish): void {
  const policy = program
    .command('policy')
    .summary('check, test, explain, diff, replay, learn, fmt, schema')
    .description(
      'Tools for whoever owns a policy: what it says, whether it says what was meant, and what a change of it would do.',
    )
    .helpCommand(false);
  addPolicyCheck(policy, io, finish);
  addPolicyTest(policy, io, finish);
  addPolicyExplain(policy, io, finish);
  addPolicyDiff(policy, io, finish);
  addPolicyReplay(policy, io, finish);
  addPolicyLearn(policy, io, finish);
  addPolicyFmt(policy, io, finish);
  addPolicySchema(policy, finish);
  policy.addHelpText(
    'after',
    examples([
      'mcpd policy check',
      'mcpd policy test --coverage-min 100',
      `mcpd policy explain ana files/write_file --args '{"path":"/srv/x"}'`,
      'mcpd policy diff policies candidate',
    ]),
  );
}
