import { url as inspectorUrl } from 'node:inspector';
import { Fault } from './domain/faults.ts';
import { noCore, notDumpable, ownKeyring } from './native.ts';

/** What the daemon's process could not close, a sentence each. */
export type LeftOpen = readonly string[];

/**
 * Closes the ways in which a process gives away its memory: an inspector, a core file, a report, a heap snapshot, and the
 * eyes of other processes of the same user; and leaves the keyring that whom it starts would have. To be called before anything secret is read. Throws `CONFIG_INVALID` where this
 * Node was started with something that cannot be undone.
 */
export function harden(env: Readonly<Record<string, string | undefined>>): LeftOpen {
  refuseOpenNode(env, process.execArgv, inspectorUrl());
  closeReports();
  hearSignals();
  const left: string[] = [];
  if (!noCore()) left.push('a crash may leave a core file with secrets in it (koffi is not installed)');
  if (process.platform === 'linux' && !notDumpable())
    left.push("other processes of this user can read mcpd's memory (koffi is not installed)");
  if (process.platform === 'linux' && !ownKeyring())
    left.push(
      "servers have the kernel's keyring of the session that mcpd was started in (koffi is not installed)",
    );
  return left;
}

/** Options that open a listening inspector, write what is in memory to a file or the terminal, or let others ask for that. */
const telling =
  /^--(?:inspect|debug|cpu-prof|heap-prof|prof\b|heapsnapshot|report-|diagnostic-report|experimental-report|diagnostic-dir|tls-keylog|trace-event|perf-|log-)/;
/** Options by which an environment brings code of its own into every Node. */
const loading =
  /^(?:-r|--require|--import|--loader|--experimental-(?:loader|config-file|default-config-file)|--snapshot-blob)\b/;

/**
 * What `NODE_OPTIONS` says came with the environment, perhaps of whoever started PM2 weeks ago; the same on the command line
 * was typed for mcpd, so code may be loaded there. By now it has run: all that is left is to say so and to stop.
 */
export function refuseOpenNode(
  env: Readonly<Record<string, string | undefined>>,
  execArgv: readonly string[],
  inspector: string | undefined,
): void {
  const options = (env['NODE_OPTIONS'] ?? '').split(/[\s"]+/).map(spelled);
  const inherited = options.find((it) => telling.test(it) || loading.test(it));
  if (inherited !== undefined)
    throw refuse(`NODE_OPTIONS holds ${nameOf(inherited)}`, 'unset NODE_OPTIONS, and start mcpd again');
  const typed = execArgv.map(spelled).find((it) => telling.test(it));
  if (typed !== undefined)
    throw refuse(`mcpd was started with ${nameOf(typed)}`, `start mcpd without ${nameOf(typed)}`);
  for (const name of printing) {
    if ((env[name] ?? '') === '') continue;
    throw refuse(
      `${name} is set, and Node prints what passes through mcpd`,
      `unset ${name}, and start mcpd again`,
    );
  }
  // By a signal in the moment before we could hear it, for instance.
  if (inspector !== undefined)
    throw refuse('a debugger may connect to this process', 'start mcpd again, without an inspector');
}

const printing = ['NODE_DEBUG', 'NODE_DEBUG_NATIVE'];

/** Node takes `_` for `-` in the names of its options. */
function spelled(option: string): string {
  return option.startsWith('--') ? `--${option.slice(2).replaceAll('_', '-')}` : option;
}

function nameOf(option: string): string {
  return option.split('=')[0]?.slice(0, 40) ?? option;
}

function closeReports(): void {
  const { report } = process;
  report.reportOnFatalError = false;
  report.reportOnSignal = false;
  report.reportOnUncaughtException = false;
  // Should one be written all the same, by a library: without the environment.
  report.excludeEnv = true;
}

/**
 * Signals that would end a process, or open an inspector, and mean nothing here. What means the end, and SIGHUP, is for
 * `main.ts`. A handler of our own replaces Node's for SIGUSR1, which opens an inspector on the spot.
 */
export const unheeded: readonly NodeJS.Signals[] = [
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGPROF',
  'SIGIO',
  'SIGTRAP',
  'SIGSYS',
  // A file that may not grow: the write fails, and what could not be recorded is not done.
  'SIGXFSZ',
  ...(process.platform === 'linux' ? (['SIGSTKFLT'] as const) : []),
];

/** Signals that mean the end, besides SIGINT and SIGTERM: the drain, not a core file. */
export const ending: readonly NodeJS.Signals[] = [
  'SIGQUIT',
  'SIGXCPU',
  ...(process.platform === 'linux' ? (['SIGPWR'] as const) : []),
];

function hearSignals(): void {
  for (const signal of unheeded) process.on(signal, () => undefined);
}

function refuse(detail: string, hint: string): Fault {
  return new Fault('CONFIG_INVALID', { detail: `${detail}: its secrets would not be safe`, hint });
}
