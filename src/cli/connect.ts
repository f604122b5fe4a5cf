import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Upstream } from '../connect/wire.ts';
import { Fault } from '../domain/faults.ts';
import { examples } from './help.ts';
import type { Io } from './io.ts';
import { policiesDir, stateDir } from './place.ts';

type Options = { readonly stateDir?: string; readonly policies?: string; readonly keyFile?: string };

const configuration = `
Configuration of a client that speaks only stdio:
  {
    "mcpServers": {
      "files": {
        "command": "mcpd",
        "args": ["connect", "files"],
        "env": { "MCPD_KEY": "mcpd_…" }
      }
    }
  }
`;

/** `mcpd connect SERVER`: one server of the running daemon as a stdio MCP server. */
export function addConnect(program: Command, io: Io): void {
  program
    .command('connect')
    .argument('<SERVER>', 'name of a server, as in mcpd ctl status')
    .summary('one server over stdio, for clients that speak nothing else')
    .description(
      'Speaks MCP on standard input and output, and passes every message to the running daemon over a Unix socket: same policy, same callers, same audit. The key comes from MCPD_KEY or a file, never from the command line; without one it works only where the owner allowed callers without a key, or named your user. Diagnostics go to standard error.',
    )
    .option('--key-file <file>', 'file with the key, readable by its owner alone (default: $MCPD_KEY)')
    .option('--state-dir <dir>', 'state directory of the daemon that is meant (default: $MCPD_STATE_DIR)')
    .option(
      '--policies <dir>',
      'policy folder of the daemon that is meant, where its mcpd.toml names the state directory (default: $MCPD_POLICIES, else ./policies)',
    )
    .addHelpText(
      'after',
      () =>
        `${examples(['mcpd connect files', 'mcpd connect files --key-file ~/.config/mcpd/key', 'mcpd connect files --state-dir /srv/mcpd/state'])}${configuration}`,
    )
    // Commander would repeat an argument too many in its error, and so a key in a log.
    .allowExcessArguments()
    .action(async (server: string, options: Options, { args }: Command) => {
      if (args.length > 1)
        throw usage('one server at a time, and never a key on the command line', 'mcpd connect --help');
      if (!/^[a-z0-9-]{1,32}$/.test(server))
        throw usage('a server has a name of lower-case letters, digits and -', 'mcpd ctl status shows them');
      const upstream = {
        socketPath: frontSocketIn(stateDirOf(options, io)),
        server,
        key: await keyOf(options, io),
      };
      await relay(upstream);
    });
}

/** The front's socket in a state directory; `openStateDir` says the same, but would make the directory. */
export function frontSocketIn(dir: string): string {
  return join(dir, 'front.sock');
}

function stateDirOf({ stateDir: told, policies }: Options, { env }: Io): string {
  return told === undefined ? stateDir(policiesDir(policies, env), env) : resolve(told);
}

async function keyOf({ keyFile }: Options, { env }: Io): Promise<string | undefined> {
  const { readSecretFile } = await import('../secrets/secret-file.ts');
  const told = env['MCPD_KEY'] === '' ? undefined : env['MCPD_KEY'];
  const key = keyFile === undefined ? told : await readSecretFile(resolve(keyFile));
  // It goes into a header: a line end would begin another one.
  if (key === undefined || /^[\x21-\x7e]{1,512}$/.test(key)) return key;
  const where = keyFile === undefined ? 'MCPD_KEY' : keyFile;
  throw new Fault('CONFIG_INVALID', {
    detail: `${where} holds no key`,
    hint: 'put one there as mcpd key add NAME shows it',
  });
}

async function relay(upstream: Upstream): Promise<void> {
  const { relayStdio } = await import('../connect/run.ts');
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort());
  await relayStdio(upstream, process, stop.signal);
  // The session is ended and everything is said; a client that neither reads nor hangs up must not keep the process.
  process.exit(0);
}

function usage(says: string, hint: string): Error {
  return Object.assign(new Error(says), { code: 'USAGE', hint });
}
