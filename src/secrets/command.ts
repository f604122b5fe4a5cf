import { dirname } from 'node:path';
import { Fault } from '../domain/faults.ts';
import type { SecretCommand } from '../domain/secret-reference.ts';
import type { OwnEnvironment } from './own-environment.ts';
import { oneByOne, type Provider } from './provider.ts';
import { secretBytesMax } from './value.ts';

/** Starts a program and gives what it wrote on stdout, when it ended well, in time and within bounds. Never rejects. */
export type RunCommand = (order: {
  /** An absolute path and its arguments. */
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly withinMs: number;
  readonly bytesMax: number;
}) => Promise<{ readonly ok: true; readonly stdout: Buffer } | { readonly ok: false; readonly why: string }>;

const inherited = ['HOME', 'LANG', 'TZ', 'USER', 'LOGNAME'];
/** Programs at once: some managers count requests, and a start of all servers would be a burst of them. */
const atOnceMax = 4;

/** A variable that looks as if it held a credential is taken out of the daemon's own environment. */
const credentialName = /TOKEN|SECRET|PASSW|KEY|CREDENTIAL/i;

/**
 * The owner's program, asked for one secret at a time. What it says on stderr goes nowhere: it may hold what it was asked for.
 * Its arguments are readable by everybody on the machine, so they hold the reference and never a value.
 */
export function commandProvider(
  command: SecretCommand,
  run: RunCommand,
  environment: OwnEnvironment,
  execPath: string,
): Provider {
  const line = new Line(atOnceMax);
  return oneByOne(async (reference) => {
    if (reference.kind !== 'command') throw new Fault('BUG', { detail: 'not a reference to a command' });
    const { rest } = reference;
    const result = await line.take(() =>
      run({
        argv: [command.command, ...argumentsFor(command.args, rest)],
        env: environmentFor(command, environment, execPath),
        withinMs: command.withinMs,
        // One more than a secret may have, and a line end.
        bytesMax: secretBytesMax + 2,
      }),
    );
    const name = command.name;
    if (!result.ok)
      throw new Fault('SECRET_UNAVAILABLE', {
        detail: `${name}: the program ${result.why}`,
        hint: `see what it says: ${typed([command.command, ...argumentsFor(command.args, rest)])}; [secrets.commands.${name}] in mcpd.toml says how it is run`,
      });
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(result.stdout).replace(/\r?\n$/, '');
    } catch {
      throw new Fault('SECRET_UNAVAILABLE', {
        detail: `${name}: what the program wrote is not valid UTF-8`,
        hint: 'have it write text',
      });
    }
  });
}

/** Takes the credentials of these programs out of the daemon's own environment before anything else can read them. */
export function claimPassed(commands: readonly SecretCommand[], environment: OwnEnvironment): string[] {
  const names = commands.flatMap(({ pass }) => pass).filter((name) => credentialName.test(name));
  return names.map((name) => environment.take(name)).filter((value) => value !== undefined);
}

function argumentsFor(args: readonly string[], rest: string): readonly string[] {
  return args.some((arg) => arg.includes('{}'))
    ? args.map((arg) => arg.replaceAll('{}', () => rest))
    : [...args, rest];
}

function environmentFor(
  { env, pass }: SecretCommand,
  environment: OwnEnvironment,
  execPath: string,
): Record<string, string> {
  const found = new Map([['PATH', `${dirname(execPath)}:/usr/local/bin:/usr/bin:/bin`]]);
  for (const name of [...inherited, ...pass]) {
    const value = credentialName.test(name) ? environment.take(name) : environment.look(name);
    if (value !== undefined) found.set(name, value);
  }
  for (const [name, value] of Object.entries(env)) found.set(name, value);
  return Object.fromEntries(found);
}

/** As a person would type it. */
function typed(argv: readonly string[]): string {
  return argv
    .map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}

/** So many at once; the rest wait for their turn. */
class Line {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#free = most;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
