import type { Command } from 'commander';
import type { Finish, Io, Told } from './io.ts';
import { examples } from './help.ts';
import { policiesDir } from './place.ts';
import type { Environment } from '../config/state-dir.ts';

/** `mcpd check`: would the daemon start with these files? */
export function addCheck(program: Command, io: Io, finish: Finish): void {
  program
    .command('check')
    .summary('check the policy files without running anything')
    .description(
      'Reads and compiles every policy file as the daemon would, and says what is wrong with it and where.',
    )
    .option(
      '--policies <dir>',
      'folder with mcpd.toml and servers/*.toml (default: $MCPD_POLICIES, else ./policies)',
    )
    .option('--json', 'answer with one line of JSON')
    .addHelpText('after', examples(['mcpd check', 'mcpd check --policies /etc/mcpd --json']))
    .action(async ({ policies, json }: { policies?: string; json?: true }) => {
      finish(await check(policiesDir(policies, io.env), io.env), json === true);
    });
}

async function check(policies: string, env: Environment): Promise<Told> {
  const { loadPolicies } = await import('../config/load.ts');
  const { compile } = await import('../policy/compile.ts');
  const { nothingSwitchedOff } = await import('../operate/switches.ts');
  const { printComplaint } = await import('../config/complaint.ts');

  const loaded = loadPolicies(policies, env);
  if (!loaded.ok) return refused(policies, loaded.complaints, loaded.complaints.map(printComplaint));

  const compiled = compile(loaded.servers, nothingSwitchedOff, loaded.daemon.perCaller, loaded.digest);
  if (!compiled.ok) {
    const { complaints } = compiled;
    const { printable } = await import('../domain/printable.ts');
    const lines = complaints.map(({ file, rule, what }) =>
      printable(rule === undefined ? `${file}: ${what}` : `${file}: rule "${rule}": ${what}`),
    );
    return refused(policies, complaints, lines);
  }

  const servers = loaded.servers.map(({ spec, rules }) => ({
    name: spec.name,
    sharing: spec.sharing,
    rules: rules.length,
  }));
  const warnings = loaded.warnings.map(printComplaint);
  const summary = `${policies}: ${servers.length} servers, ${servers.reduce((sum, { rules }) => sum + rules, 0)} rules, all in order (${loaded.digest})`;
  return {
    reply: {
      ok: true,
      command: 'check',
      policies,
      digest: loaded.digest,
      stateDir: loaded.daemon.stateDir,
      servers,
      warnings: loaded.warnings,
    },
    text: [...warnings, summary].join('\n'),
  };
}

function refused(policies: string, complaints: readonly object[], lines: readonly string[]): Told {
  const says = complaints.length === 1 ? 'one complaint' : `${complaints.length} complaints`;
  return {
    reply: {
      ok: false,
      error: {
        code: 'CONFIG_INVALID',
        says: `${says} about ${policies}`,
        hint: 'mend them, then type: mcpd check',
      },
      complaints,
    },
    text: lines.join('\n'),
  };
}
