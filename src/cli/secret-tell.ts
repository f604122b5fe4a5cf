import type { CliError } from './io.ts';
import { printable } from '../domain/printable.ts';

/** What the running daemon made of a new value. */
export type Heard = {
  readonly fields: {
    readonly daemon: 'told' | 'not running' | 'failed';
    /** Names of servers: started anew; started because they had waited for it; running with the old value. */
    readonly restarted: readonly string[];
    readonly started: readonly string[];
    readonly untouched: readonly string[];
  };
  readonly says: string;
  /** Why it does not use the new value. */
  readonly error: CliError | undefined;
};

const nobody = { restarted: [], started: [], untouched: [] };

/** Tells a running daemon that there is another value. `keep`: servers that run may go on with the old one. */
export async function tellDaemon(socket: string, reference: string, how: 'keep' | 'restart'): Promise<Heard> {
  const { ask, NoAnswer } = await import('../control/client.ts');
  const hint = `mcpd ctl refresh-secret ${reference}`;
  try {
    const answer = await ask(socket, 'refresh-secret', {
      reference,
      ...(how === 'keep' ? { keep: true } : {}),
    });
    if (!answer.ok) {
      const says = `the value is stored, but the running mcpd did not take it: ${answer.error.says}`;
      return failure({ code: answer.error.code, says, hint: answer.error.hint ?? hint });
    }
    const restarted = names(answer['restarted']);
    const started = names(answer['retried']);
    const untouched = names(answer['untouched']);
    const says = [
      restarted.length === 0 ? [] : `Started anew with it: ${list(restarted)}.`,
      started.length === 0 ? [] : `Had waited for it and now start: ${list(started)}.`,
      untouched.length === 0 ? [] : sayUntouched(untouched, how),
    ].flat();
    return {
      fields: { daemon: 'told', restarted, started, untouched },
      says: says.length === 0 ? 'No server that runs uses it.' : says.join('\n'),
      error: undefined,
    };
  } catch (reason) {
    if (reason instanceof NoAnswer && reason.code === 'NOT_RUNNING')
      return {
        fields: { daemon: 'not running', ...nobody },
        says: 'mcpd is not running; servers get it when they start.',
        error: undefined,
      };
    const why = reason instanceof Error ? reason.message : String(reason);
    const says = `the value is stored, but the running mcpd could not be told: ${why}`;
    return failure({ code: 'NO_ANSWER', says, hint });
  }
}

function sayUntouched(servers: readonly string[], how: 'keep' | 'restart'): string {
  return how === 'restart'
    ? `Hold this very value already: ${list(servers)}.`
    : `Run on with the old value until they are restarted: ${list(servers)}  (mcpd ctl restart SERVER; or use mcpd secret rotate)`;
}

function failure(error: CliError): Heard {
  return { fields: { daemon: 'failed', ...nobody }, says: error.says, error };
}

function names(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((it) => typeof it === 'string') : [];
}

function list(servers: readonly string[]): string {
  return servers.map(printable).join(', ');
}
