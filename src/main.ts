import { flushCompileCache } from 'node:module';
import { userInfo } from 'node:os';
import { addKey, listKeys } from './callers/keys.ts';
import { readSecret } from './cli/secret-input.ts';
import { Daemon } from './daemon.ts';
import { Fault } from './domain/faults.ts';
import { closeInherited } from './fleet/inherited.ts';
import { greeting } from './greeting.ts';
import { ending, harden } from './harden.ts';

/** After a drain that hangs in spite of its bounds, the process ends all the same. */
const lastResortMs = 30_000;

/**
 * The process itself: starts the daemon, says hello, says ready to a supervisor, and drains on the first signal.
 * Throws what kept it from starting; the command line turns that into an exit code.
 */
export async function run({ policies }: { readonly policies: string }): Promise<void> {
  // A log or a terminal that went away must not end the daemon. Before the first word: a pipe that nobody reads fails at once.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  // What whoever started us left open would be open in every child.
  closeInherited();
  const leftOpen = harden(process.env);
  const isTty = process.stdout.isTTY;
  const passphrase = process.stdin.isTTY
    ? () => readSecret('Passphrase of the vault (not shown): ')
    : undefined;
  const daemon = await Daemon.start({
    policies,
    env: process.env,
    isTty,
    stdout: process.stdout,
    passphrase,
  });
  const stopped = Promise.withResolvers<void>();
  let stopping = false;
  const stop = (why: string): void => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), daemon.file.drainWithinMs + lastResortMs).unref();
    daemon.stop(why).then(stopped.resolve, stopped.reject);
  };
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('SIGTERM', () => stop('SIGTERM'));
  for (const signal of ending) process.on(signal, () => stop(signal));
  // At a terminal it means that the terminal is gone, for a detached daemon that its files have changed.
  process.on('SIGHUP', () => (isTty ? stop('the terminal is gone') : void daemon.reload()));
  // A process manager that is gone will not restart us, and its pipe may take us along within a second: drain now.
  process.on('disconnect', () => stop('the process manager is gone'));

  for (const says of leftOpen) process.stderr.write(`mcpd: ${says}\n`);
  await daemon.settled();
  // A key is shown once, and only to a person: in a log file it would be a secret lying about.
  const key =
    isTty && !daemon.withoutKey && listKeys(daemon.state.dir).length === 0
      ? await firstKey(daemon)
      : undefined;
  process.stdout.write(greeting(daemon, key));
  process.send?.('ready');
  // Now, not at the end: a daemon that is killed would leave nothing for the next start.
  flushCompileCache();
  await stopped.promise;
  // Everything is closed; whatever handle a dependency forgot must not keep a stopped daemon alive.
  process.exit(0);
}

async function firstKey(daemon: Daemon): Promise<string> {
  const name =
    userInfo()
      .username.replaceAll(/[^A-Za-z0-9._@-]/g, '-')
      .slice(0, 64) || 'owner';
  try {
    const { key } = await addKey(daemon.state.dir, name);
    daemon.readKeys();
    return key;
  } catch (reason) {
    throw Fault.from(reason);
  }
}
