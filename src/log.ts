import { lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from './domain/faults.ts';
import { readJson } from './domain/read-json.ts';
import { flawOf, shellWord } from './files/ours.ts';
import { printable, printableJson } from './domain/printable.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** What a log line says besides its message. A line about a call carries `id`, its correlation id. */
export type LogFields = Readonly<Record<string, unknown>>;

export type Log = {
  readonly log: (level: LogLevel, fields: LogFields, message: string) => void;
  /** Everything logged before is on disk when this resolves. Later lines are dropped. */
  readonly close: () => Promise<void>;
};

export type LogOptions = {
  readonly level: LogLevel | 'silent';
  /** A directory for log files alone: rotation counts and removes what lies there. Made when it is missing. */
  readonly dir: string;
  /** Bytes of one file; a burst may overshoot it. */
  readonly size: number;
  /** Files kept besides the current one. */
  readonly count: number;
  /** Every line goes through it, as one JSON text, before it is shown or written. */
  readonly redact: (text: string) => string;
  readonly isTty: boolean;
  readonly stdout: { readonly write: (text: string) => unknown };
};

/**
 * Opens the log: coloured lines for the person at a terminal, otherwise JSON in rotated files. Both are written before
 * `log` returns, because a line that waits in a buffer is lost with the process that it would have explained.
 */
export async function openLog(options: LogOptions): Promise<Log> {
  const { pino } = await import('pino');
  const { redact, level } = options;
  const sink = options.isTty ? await terminal(options) : await files(options);
  let closed = false;
  const logger = pino(
    {
      level,
      // Who runs here is known; the pid tells one life of the daemon from the next.
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: (line) => cleaned(line, redact) },
    },
    { write: (line: string) => sink.write(line) },
  );
  return {
    log: (at, fields, message) => {
      if (!closed) logger[at](fields, message);
    },
    close: async () => {
      if (closed) return;
      closed = true;
      await sink.close();
    },
  };
}

type Sink = { readonly write: (line: string) => void; readonly close: () => Promise<void> };

/** Withholds a line rather than letting it out unread when the redactor fails. */
function cleaned(line: string, redact: (text: string) => string): string {
  try {
    // JSON leaves C1 and bidi controls and U+2028 as they are, and whoever looks at the file has a terminal too.
    return `${printableJson(redact(line.trimEnd()))}\n`;
  } catch {
    return `{"level":"error","time":"${new Date().toISOString()}","pid":${process.pid},"msg":"a log line was withheld: the redactor failed on it"}\n`;
  }
}

async function terminal({ stdout }: LogOptions): Promise<Sink> {
  // pino-pretty as a stream would write a tick later, and lose the last words of a process that exits.
  const { prettyFactory } = await import('pino-pretty');
  const pretty = prettyFactory({
    colorize: true,
    // UTC, as in the journal: whoever compares the two at night must not have to count hours.
    translateTime: "UTC:yyyy-mm-dd HH:MM:ss.l'Z'",
    ignore: 'pid',
    singleLine: true,
  });
  return {
    write: (line) => {
      stdout.write(pretty(visible(line)));
    },
    close: async () => {},
  };
}

/**
 * The line as an object whose texts are safe to show. JSON escapes control characters and pretty-printing puts them
 * back, so a server could otherwise rewrite the operator's screen through its stderr.
 */
function visible(line: string): unknown {
  return safe(readJson(line), '');
}

function safe(value: unknown, key: string): unknown {
  if (typeof value === 'string') {
    return key === 'stack' ? value.split('\n').map(printable).join('\n') : printable(value);
  }
  if (Array.isArray(value)) return value.map((item) => safe(item, ''));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [printable(name), safe(inner, name)]),
  );
}

async function files({ dir, size, count, stdout }: LogOptions): Promise<Sink> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const found = lstatSync(dir);
  if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== process.getuid())) {
    throw new Fault('CONFIG_INVALID', {
      detail: `${dir} is not a directory of ours`,
      hint: `see what it is: ls -ld ${dir}`,
    });
  }
  // The library follows links and asks nobody whose a file is.
  for (const name of readdirSync(dir)) {
    if (!name.startsWith('mcpd')) continue;
    const path = join(dir, name);
    const flaw = flawOf(path, lstatSync(path), 'to writers');
    if (flaw !== undefined)
      throw new Fault('CONFIG_INVALID', { detail: `${path} ${flaw.what}`, hint: `rm ${shellWord(path)}` });
  }
  // @ts-expect-error It brings no types; `RollingFile` says what we use of it.
  const { default: roll } = (await import('pino-roll')) as {
    default: (options: object) => Promise<RollingFile>;
  };
  const destination = await roll({
    file: join(dir, 'mcpd.log'),
    size: `${size}b`,
    // Without removeOtherLogFiles it counts only what this process made, and files pile up with every restart.
    limit: { count, removeOtherLogFiles: true },
    // On this thread and at once: in a worker, or asynchronous, the last burst before a crash would be lost.
    sync: true,
    mode: 0o600,
    // While a disk is full, lines wait here; after that they are dropped rather than kept without end.
    maxLength: 1024 * 1024,
  });
  let complained = false;
  destination.on('error', (error: Error) => {
    // Said once, where a supervisor may see it: the log is the one place that cannot say it.
    if (!complained) process.stderr.write(`mcpd: the log cannot be written: ${printable(error.message)}\n`);
    complained = true;
  });
  stdout.write(`mcpd: the log is in ${printable(dir)}\n`);
  return {
    write: (line) => {
      destination.write(line);
    },
    close: () =>
      new Promise((resolve) => {
        // A full disk must not keep the daemon from ending.
        const timer = setTimeout(resolve, closeWithinMs);
        destination.once('close', () => {
          clearTimeout(timer);
          resolve();
        });
        destination.end();
      }),
  };
}

const closeWithinMs = 1000;

type RollingFile = {
  readonly write: (line: string) => boolean;
  readonly end: () => void;
  readonly on: (event: 'error', listener: (error: Error) => void) => void;
  readonly once: (event: 'close', listener: () => void) => void;
};
