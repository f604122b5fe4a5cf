import type { Command } from 'commander';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { policiesDir, stateDir } from './place.ts';
import { printable } from '../domain/printable.ts';

/** `mcpd secret …`: values that servers need and nobody else sees. */
export function addSecret(program: Command, io: Io, finish: Finish): void {
  const secret = program
    .command('secret')
    .summary('secrets in the keychain: set, list, rm')
    .description(
      "Secrets for servers, kept in the operating system's keychain. A policy names one as keychain:NAME.",
    )
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        'mcpd secret set github-token',
        'pass show github | mcpd secret set github-token',
        'mcpd secret list',
        'mcpd secret rm github-token',
      ]),
    );
  type Options = { policies?: string; json?: true };
  const dirOf = ({ policies }: Options) => stateDir(policiesDir(policies, io.env), io.env);

  leaf(secret, 'set')
    .argument('<NAME>')
    .description(
      'Keeps a value in the keychain. It is asked for unseen, or read from standard input; never from the command line.',
    )
    .addHelpText(
      'after',
      examples(['mcpd secret set github-token', 'pass show github | mcpd secret set github-token']),
    )
    // Commander would repeat an argument too many in its error, and so the secret in a terminal or a log.
    .allowExcessArguments()
    .action(async (name: string, options: Options, { args }: Command) =>
      finish(
        args.length > 1 ? valueOnCommandLine : await set(dirOf(options), name, io),
        options.json === true,
      ),
    );
  leaf(secret, 'list')
    .description('Lists the names of the secrets that were set here. Values are never shown.')
    .addHelpText('after', examples(['mcpd secret list']))
    .action(async (options: Options) => finish(await list(dirOf(options)), options.json === true));
  leaf(secret, 'rm')
    .argument('<NAME>')
    .description(
      'Removes a secret from the keychain. A server that runs keeps the value it started with until its restart.',
    )
    .addHelpText('after', examples(['mcpd secret rm github-token']))
    .action(async (name: string, options: Options) =>
      finish(await remove(dirOf(options), name), options.json === true),
    );
}

const valueOnCommandLine: Told = {
  reply: {
    ok: false,
    error: {
      code: 'USAGE',
      says: 'a value on the command line is in the process list and in the history of your shell: count it as known, and choose another',
      hint: 'type `mcpd secret set NAME` and nothing more; it asks',
    },
  },
  text: '',
};

async function set(dir: string, name: string, io: Io): Promise<Told> {
  const { setSecret } = await import('../secrets/store.ts');
  const { openStateDir } = await import('../config/state-dir.ts');
  const { secretNamesFile } = openStateDir(dir);
  const value = await io.readSecret(`Value of ${printable(name)} (not shown): `);
  const result = await setSecret(name, value, secretNamesFile);
  const reference = `keychain:${name}`;
  return {
    reply: { ok: true, command: 'secret set', name, changed: true, result, reference },
    text: `${printable(name)} is ${result}. A policy names it as ${printable(reference)}; a server that runs sees it after: mcpd ctl restart SERVER`,
  };
}

async function list(dir: string): Promise<Told> {
  const { listSecrets } = await import('../secrets/store.ts');
  const { openStateDir } = await import('../config/state-dir.ts');
  const names = await listSecrets(openStateDir(dir).secretNamesFile);
  const text =
    names.length === 0
      ? 'There are no secrets. To keep one: mcpd secret set NAME'
      : names.map(printable).join('\n');
  return { reply: { ok: true, command: 'secret list', names }, text };
}

async function remove(dir: string, name: string): Promise<Told> {
  const { removeSecret } = await import('../secrets/store.ts');
  const { openStateDir } = await import('../config/state-dir.ts');
  const result = await removeSecret(name, openStateDir(dir).secretNamesFile);
  return {
    reply: { ok: true, command: 'secret rm', name, changed: result === 'removed' },
    text:
      result === 'removed'
        ? `${printable(name)} is removed.`
        : `There is no ${printable(name)}; nothing changed.`,
  };
}
