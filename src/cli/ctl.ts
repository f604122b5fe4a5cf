import type { Command } from 'commander';
import { failure, type Finish, type Io, type Told } from './io.ts';
import { examples } from './help.ts';
import { ctlRows } from './ctl-rows.ts';
import { controlSocketIn, operatorToken, policiesDir, stateDir } from './place.ts';
import type { Answer } from '../control/client.ts';

/** `mcpd ctl …`: the operator's commands, carried out by the running daemon. */
export function addCtl(program: Command, io: Io, finish: Finish): void {
  const ctl = program
    .command('ctl')
    .summary('operate the running daemon: status, approvals, kill switch')
    .description(
      'Operates the running daemon over its control socket, as the user it runs as, or as the person whose token is in --as-file or MCPD_OPERATOR_TOKEN. Every command is on the journal.',
    )
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        'mcpd ctl status',
        'mcpd ctl approvals',
        'mcpd ctl disable-tool files/write_file --now',
        'mcpd ctl lockdown',
      ]),
    );

  for (const { name, arguments: wanted = [], options, summary, more, examples: lines } of ctlRows) {
    const command = ctl
      .command(name)
      .summary(summary)
      .description(more === undefined ? sentence(summary) : `${sentence(summary)} ${more}`);
    for (const { as, optional } of wanted) command.argument(optional === true ? `[${as}]` : `<${as}>`);
    for (const { flags, says, needed } of options)
      if (needed === true) command.requiredOption(flags, says);
      else command.option(flags, says);
    command.option(
      '--policies <dir>',
      'policy folder of the daemon that is meant (default: $MCPD_POLICIES, else ./policies)',
    );
    command.option(
      '--as-file <path>',
      'file with an operator token of your own (default: $MCPD_OPERATOR_TOKEN, else the token of the running daemon)',
    );
    command.option('--json', 'answer with one line of JSON');
    command.addHelpText('after', examples(lines));
    command.action(async (...given: unknown[]) => {
      const typed = command.opts<Record<string, string | true | undefined>>();
      const args: Record<string, string | boolean> = {};
      const take = (key: string, value: unknown) => {
        if (typeof value === 'string' || value === true) args[key] = value;
      };
      for (const [at, { key }] of wanted.entries()) take(key, given[at]);
      for (const { key } of options) take(key, typed[key]);
      const meant = command.opts<{ policies?: string; asFile?: string; json?: true }>();
      finish(await order(name, args, meant, io), meant.json === true);
    });
  }
}

async function order(
  name: string,
  args: Record<string, string | boolean>,
  { policies, asFile }: { readonly policies?: string; readonly asFile?: string },
  io: Io,
): Promise<Told> {
  const { ask } = await import('../control/client.ts');
  const { show } = await import('./show.ts');
  let answer: Answer;
  try {
    const token = operatorToken(io.env, asFile);
    answer = await ask(controlSocketIn(stateDir(policiesDir(policies, io.env), io.env)), name, args, {
      token,
    });
  } catch (reason) {
    return failure(reason);
  }
  return { reply: answer, text: show(name, answer, io.now()) };
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}
