import { Fault } from '../domain/faults.ts';
import { printable, printableJson } from '../domain/printable.ts';
import { exitFor, exits } from './exit.ts';

/** What a command sees of the world. */
export type Io = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asks for a secret without showing it, or reads it from a pipe. */
  readonly readSecret: (prompt: string) => Promise<string>;
  /** Asks for a passphrase without showing it; where nobody is at a terminal there is none. */
  readonly readPassphrase?: ((prompt: string) => Promise<string>) | undefined;
  readonly now: () => number;
};

/** An error as `--json` shows it. */
export type CliError = { readonly code: string; readonly says: string; readonly hint?: string };

/** What a command ends with: for programs, and for people. `ok` is false exactly when the exit code is not 0. */
export type Told = {
  readonly reply:
    | { readonly ok: true; readonly [field: string]: unknown }
    | { readonly ok: false; readonly error: CliError; readonly [field: string]: unknown };
  /** Already safe to show. Not used for an error, which always reads the same way. */
  readonly text: string;
};

/** Takes what a command ended with. */
export type Finish = (told: Told, json: boolean) => void;

/** Shows what a command ended with and gives the exit code. Errors go to stderr, except as JSON. */
export function tell(io: Io, { reply, text }: Told, json: boolean): number {
  if (json) io.out(`${printableJson(JSON.stringify(reply))}\n`);
  else if (text !== '') (reply.ok ? io.out : io.err)(text.endsWith('\n') ? text : `${text}\n`);
  if (reply.ok) return exits.ok;
  if (!json) io.err(errorText(reply.error));
  return exitFor(reply.error.code);
}

/** Whatever was thrown, as something to tell. */
export function failure(reason: unknown): Told {
  return { reply: { ok: false, error: errorOf(reason) }, text: '' };
}

function errorOf(reason: unknown): CliError {
  if (isCliError(reason)) {
    const { code, message, hint } = reason;
    return { code, says: message, ...(hint === undefined ? {} : { hint }) };
  }
  const fault = Fault.from(reason);
  const says = fault.detail ?? fault.says;
  return { code: fault.code, says, ...(fault.hint === undefined ? {} : { hint: fault.hint }) };
}

/** Our own errors besides faults: a code, a sentence, and mostly a hint. */
function isCliError(reason: unknown): reason is { code: string; message: string; hint: string | undefined } {
  return reason instanceof Error && 'code' in reason && 'hint' in reason && typeof reason.code === 'string';
}

function errorText({ says, hint }: CliError): string {
  const lines = (text: string) => text.split('\n').map(printable).join('\n  ');
  return `mcpd: ${lines(says)}\n${hint === undefined ? '' : `  ${lines(hint)}\n`}`;
}

/** The real terminal, pipe or file. */
export function terminalIo(): Io {
  let watched = false;
  return {
    out: (text) => {
      // `mcpd audit query | head` closes the pipe early; that is no error of ours. Watched from the first word on and not
      // earlier, because a daemon that never says one here must not end when its terminal does.
      if (!watched)
        process.stdout.on('error', (error: NodeJS.ErrnoException) =>
          process.exit(error.code === 'EPIPE' ? exits.ok : exits.refused),
        );
      watched = true;
      process.stdout.write(text);
    },
    err: (text) => void process.stderr.write(text),
    env: process.env,
    readSecret: async (prompt) => (await import('./secret-input.ts')).readSecret(prompt),
    // From a pipe comes the value, and nothing else can.
    readPassphrase: process.stdin.isTTY
      ? async (prompt) => (await import('./secret-input.ts')).readSecret(prompt)
      : undefined,
    now: Date.now,
  };
}
