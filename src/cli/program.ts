import { Command, CommanderError } from 'commander';
import { addAudit } from './audit.ts';
import { addCheck } from './check.ts';
import { addConnect } from './connect.ts';
import { addCtl } from './ctl.ts';
import { exits } from './exit.ts';
import { examples } from './help.ts';
import { failure, tell, type Finish, type Io } from './io.ts';
import { addKey } from './key.ts';
import { addOperators } from './operator.ts';
import { policiesDir } from './place.ts';
import { addPolicy } from './policy.ts';
import { addSecret } from './secret.ts';
import { version } from '../version.ts';

/** Runs one command line to its end and gives the exit code. Never throws. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  let code: number = exits.ok;
  const program = build(io, (told, json) => {
    code = tell(io, told, json);
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (reason) {
    const json = argv.includes('--json');
    if (!(reason instanceof CommanderError)) return tell(io, failure(reason), json);
    // Help that was asked for is an answer; everything else that commander throws is about what was typed.
    if (reason.exitCode === 0) return exits.ok;
    if (json) {
      const says = reason.message.replace(/^error: /, '');
      return tell(
        io,
        { reply: { ok: false, error: { code: 'USAGE', says, hint: 'mcpd --help' } }, text: '' },
        json,
      );
    }
    return exits.usage;
  }
}

function build(io: Io, finish: Finish): Command {
  const program = new Command('mcpd')
    .description(
      'Runs third-party MCP servers under your policy: allow-lists, write gates, rate limits, audit and a kill switch.',
    )
    .version(version, '-V, --version', 'say which version this is')
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError('(mcpd --help shows what there is; mcpd COMMAND --help shows examples)')
    .configureOutput({ writeOut: io.out, writeErr: io.err });

  program
    .command('run')
    .summary('run the daemon in the foreground')
    .description('Runs the daemon in the foreground until SIGINT or SIGTERM, then drains and stops.')
    .option(
      '--policies <dir>',
      'folder with mcpd.toml and servers/*.toml (default: $MCPD_POLICIES, else ./policies)',
    )
    .addHelpText(
      'after',
      examples([
        'mcpd run',
        'mcpd run --policies /etc/mcpd',
        'npx pm2 start ecosystem.config.cjs   (detached, restarted, at boot)',
      ]),
    )
    .action(async ({ policies }: { policies?: string }) => {
      const { run } = await import('../main.ts');
      await run({ policies: policiesDir(policies, io.env) });
    });

  addCheck(program, io, finish);
  addPolicy(program, io, finish);
  addConnect(program, io);
  addCtl(program, io, finish);
  addKey(program, io, finish);
  addOperators(program, io, finish);
  addSecret(program, io, finish);
  addAudit(program, io, finish);
  program.addHelpText(
    'after',
    () => `${examples(['mcpd check', 'mcpd run', 'mcpd key add my-editor', 'mcpd ctl status', 'mcpd ctl lockdown --now --reason "incident 12"'])}
Exit codes: 0 done, 1 refused or failed, 64 wrong usage, 69 mcpd is not running,
            70 a bug, 75 another mcpd or program is in the way, 77 not permitted,
            78 the configuration has to be mended`,
  );
  return program;
}
