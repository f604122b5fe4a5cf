import type { Command } from 'commander';
import { failure, type Finish, type Io, type Told } from './io.ts';
import { examples } from './help.ts';
import { controlSocketIn, policiesDir, stateDir } from './place.ts';
import type { Answer } from '../control/client.ts';

/** One `mcpd ctl` command as it is typed. What it means is in operate/commands.ts. */
type CtlRow = {
  readonly name: string;
  /** As typed, and as the daemon calls it. */
  readonly argument?: { readonly as: string; readonly key: string };
  readonly options: readonly ('now' | 'reason')[];
  readonly summary: string;
  readonly more?: string;
  readonly examples: readonly string[];
};

const kept = 'It survives a restart, and no change of policy undoes it.';

const rows: readonly CtlRow[] = [
  {
    name: 'status',
    options: [],
    summary: 'health, servers, switches',
    examples: ['mcpd ctl status', 'mcpd ctl status --json | jq .servers'],
  },
  {
    name: 'tools',
    options: [],
    summary: 'what callers may call: allowed, gated, hidden',
    examples: ['mcpd ctl tools', 'mcpd ctl tools --json | jq .servers'],
  },
  {
    name: 'approvals',
    options: [],
    summary: 'calls that wait for your yes',
    examples: ['mcpd ctl approvals'],
  },
  {
    name: 'approve',
    argument: { as: 'ID', key: 'id' },
    options: [],
    summary: 'let one waiting call go out, once',
    examples: ['mcpd ctl approve 7k2m9qxz'],
  },
  {
    name: 'deny',
    argument: { as: 'ID', key: 'id' },
    options: ['reason'],
    summary: 'refuse one waiting call',
    examples: ['mcpd ctl deny 7k2m9qxz --reason "not on a Friday"'],
  },
  {
    name: 'disable-tool',
    argument: { as: 'SERVER/TOOL', key: 'tool' },
    options: ['now', 'reason'],
    summary: 'switch one tool off, for every caller',
    more: `In force for the next call when the command returns. ${kept}`,
    examples: [
      'mcpd ctl disable-tool files/write_file',
      'mcpd ctl disable-tool files/write_file --now --reason "incident 12"',
    ],
  },
  {
    name: 'enable-tool',
    argument: { as: 'SERVER/TOOL', key: 'tool' },
    options: [],
    summary: 'switch it on again, as far as the policy allows it',
    examples: ['mcpd ctl enable-tool files/write_file'],
  },
  {
    name: 'disable-server',
    argument: { as: 'SERVER', key: 'server' },
    options: ['now', 'reason'],
    summary: 'refuse every call to one server',
    more: kept,
    examples: ['mcpd ctl disable-server files --now'],
  },
  {
    name: 'enable-server',
    argument: { as: 'SERVER', key: 'server' },
    options: [],
    summary: 'take that back',
    examples: ['mcpd ctl enable-server files'],
  },
  {
    name: 'disable-caller',
    argument: { as: 'CALLER', key: 'caller' },
    options: ['now', 'reason'],
    summary: 'refuse every call of one caller',
    more: `${kept} To take the key away for good: mcpd key revoke CALLER.`,
    examples: ['mcpd ctl disable-caller my-editor --now'],
  },
  {
    name: 'enable-caller',
    argument: { as: 'CALLER', key: 'caller' },
    options: [],
    summary: 'take that back',
    examples: ['mcpd ctl enable-caller my-editor'],
  },
  {
    name: 'lockdown',
    options: ['now', 'reason'],
    summary: 'refuse every call of everybody',
    more: kept,
    examples: ['mcpd ctl lockdown --now --reason "incident 12"'],
  },
  {
    name: 'unlock',
    options: [],
    summary: 'end the lockdown; other switches stay as they are',
    examples: ['mcpd ctl unlock'],
  },
  {
    name: 'restart',
    argument: { as: 'SERVER', key: 'server' },
    options: [],
    summary: 'stop one server and start it afresh',
    examples: ['mcpd ctl restart files'],
  },
  {
    name: 'reload',
    options: [],
    summary: 'read the policy files again',
    more: 'mcpd does so by itself when they change. Files with a mistake change nothing: the old policy stays in force.',
    examples: ['mcpd check && mcpd ctl reload'],
  },
  {
    name: 'reload-keys',
    options: [],
    summary: 'read the keys again (mcpd key does this by itself)',
    examples: ['mcpd ctl reload-keys'],
  },
];

/** `mcpd ctl …`: the operator's commands, carried out by the running daemon. */
export function addCtl(program: Command, io: Io, finish: Finish): void {
  const ctl = program
    .command('ctl')
    .summary('operate the running daemon: status, approvals, kill switch')
    .description(
      'Operates the running daemon over its control socket, as the user it runs as. Every command is on the journal.',
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

  for (const { name, argument, options, summary, more, examples: lines } of rows) {
    const command = ctl
      .command(name)
      .summary(summary)
      .description(more === undefined ? sentence(summary) : `${sentence(summary)} ${more}`);
    if (argument !== undefined) command.argument(`<${argument.as}>`);
    if (options.includes('now')) command.option('--now', 'also stop matching calls that are under way');
    if (options.includes('reason'))
      command.option('--reason <text>', 'why; kept with the switch or the answer, and on the journal');
    command.option(
      '--policies <dir>',
      'policy folder of the daemon that is meant (default: $MCPD_POLICIES, else ./policies)',
    );
    command.option('--json', 'answer with one line of JSON');
    command.addHelpText('after', examples(lines));
    command.action(async (...given: unknown[]) => {
      const { now, reason, policies, json } = command.opts<{
        now?: true;
        reason?: string;
        policies?: string;
        json?: true;
      }>();
      const args: Record<string, string | boolean> = {};
      // Commander has seen to it that an argument which is needed is there, and a string.
      if (argument !== undefined) args[argument.key] = given[0] as string;
      if (now === true) args['now'] = true;
      if (reason !== undefined) args['reason'] = reason;
      finish(await order(name, args, policies, io), json === true);
    });
  }
}

async function order(
  name: string,
  args: Record<string, string | boolean>,
  policies: string | undefined,
  io: Io,
): Promise<Told> {
  const { ask } = await import('../control/client.ts');
  const { show } = await import('./show.ts');
  let answer: Answer;
  try {
    answer = await ask(controlSocketIn(stateDir(policiesDir(policies, io.env), io.env)), name, args);
  } catch (reason) {
    return failure(reason);
  }
  return { reply: answer, text: show(name, answer, io.now()) };
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}
