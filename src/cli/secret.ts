import { Option, type Command } from 'commander';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';

type Options = { readonly policies?: string; readonly json?: true };
type Where = { readonly in?: 'keychain' | 'vault' };

/** `mcpd secret …`: values that servers need and nobody else sees. */
export function addSecret(program: Command, io: Io, finish: Finish): void {
  const secret = program
    .command('secret')
    .summary('secrets for servers: set, get, list, rm, rotate, doctor')
    .description(
      "Secrets for servers, kept in the operating system's keychain or in mcpd's own vault, an encrypted file. A policy names one as keychain:NAME or vault:NAME.",
    )
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        'mcpd secret set github-token',
        'pass show github | mcpd secret set github-token --in vault',
        'mcpd secret list',
        'mcpd secret rotate github-token',
        'mcpd secret doctor',
      ]),
    );
  const where = () =>
    new Option('--in <place>', 'which of the two is meant').choices(['keychain', 'vault'] as const);
  /** Commander would repeat an argument too many in its error, and so the secret in a terminal or a log. */
  const alone = async (args: readonly string[], work: () => Promise<Told>) =>
    args.length > 1 ? valueOnCommandLine : work();

  leaf(secret, 'set')
    .argument('<NAME>')
    .addOption(where())
    .description(
      'Keeps a value, asked for unseen or read from standard input; never from the command line. Without --in: where NAME is already, else in the keychain when that works, else in the vault. Servers that waited for it are started.',
    )
    .addHelpText(
      'after',
      examples([
        'mcpd secret set github-token',
        'pass show github | mcpd secret set github-token --in vault',
      ]),
    )
    .allowExcessArguments()
    .action(async (name: string, options: Options & Where, { args }: Command) => {
      const { set } = await import('./secret-change.ts');
      finish(await alone(args, () => set(name, options, io)), options.json === true);
    });
  leaf(secret, 'get')
    .argument('<NAME|REFERENCE>')
    .addOption(where())
    .option('--reveal', 'print the value itself')
    .description('Says whether there is such a secret, and where. With --reveal it prints the value.')
    .addHelpText(
      'after',
      examples(['mcpd secret get github-token', 'mcpd secret get vault:github-token --reveal']),
    )
    .action(async (name: string, options: Options & Where & { reveal?: true }) => {
      const { get } = await import('./secret-look.ts');
      finish(await get(name, options, io), options.json === true);
    });
  leaf(secret, 'list')
    .description(
      'Lists the secrets that were set here and those that the policy names: where they are, which servers use them, when they were last set. Values are never shown.',
    )
    .addHelpText('after', examples(['mcpd secret list', 'mcpd secret list --json | jq .secrets']))
    .action(async (options: Options) => {
      const { list } = await import('./secret-look.ts');
      finish(await list(options, io), options.json === true);
    });
  leaf(secret, 'rm')
    .argument('<NAME>')
    .addOption(where())
    .description('Removes a secret. A server that runs keeps the value it started with until its restart.')
    .addHelpText('after', examples(['mcpd secret rm github-token']))
    .action(async (name: string, options: Options & Where) => {
      const { remove } = await import('./secret-change.ts');
      finish(await remove(name, options, io), options.json === true);
    });
  leaf(secret, 'rotate')
    .argument('<NAME>')
    .addOption(where())
    .description(
      'Puts another value in the place of the one that is there. A running mcpd starts just those servers anew that hold the old one, after they have answered what they were asked.',
    )
    .addHelpText(
      'after',
      examples(['mcpd secret rotate github-token', 'openssl rand -hex 32 | mcpd secret rotate hook']),
    )
    .allowExcessArguments()
    .action(async (name: string, options: Options & Where, { args }: Command) => {
      const { rotate } = await import('./secret-change.ts');
      finish(await alone(args, () => rotate(name, options, io)), options.json === true);
    });
  leaf(secret, 'doctor')
    .description(
      'One line for each place where secrets may be kept: whether it can be used here, or what is wrong and what to type. Fails when the policy needs one that cannot be used.',
    )
    .addHelpText('after', examples(['mcpd secret doctor', 'mcpd secret doctor --json']))
    .action(async (options: Options) => {
      const { doctor } = await import('./secret-doctor.ts');
      finish(await doctor(options, io), options.json === true);
    });
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
