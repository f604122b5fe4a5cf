import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { Fault } from '../domain/faults.ts';
import { filterOf, usage, withFilters, type FilterOptions } from './audit-filter.ts';
import { watcherFor } from './audit-watch.ts';
import { examples, leaf } from './help.ts';
import type { Finish, Io, Told } from './io.ts';
import { auditDirIn, policiesDir, stateDir } from './place.ts';
import { version } from '../version.ts';

/** Written at once, so that memory does not grow with the journal. */
const pieceChars = 64 * 1024;

type Options = FilterOptions & {
  readonly policies?: string;
  readonly json?: true;
  readonly format: string;
  readonly out?: string;
};

/** `mcpd audit export`: records for other programs. */
export function addAuditExport(audit: Command, io: Io, finish: Finish): void {
  const command = leaf(audit, 'export').description(
    'Writes records for other programs, oldest first; all that fit. A call is one record.',
  );
  withFilters(command)
    .addOption(
      new Option('--format <name>', 'JSON lines, CSV (RFC 4180), or JSON lines of OCSF 1.8.0 events')
        .choices(['jsonl', 'csv', 'ocsf'])
        .makeOptionMandatory(),
    )
    .option('--out <file>', 'a file that is not there yet; without it they go to stdout')
    .addHelpText(
      'after',
      examples([
        'mcpd audit export --format jsonl --since 24h --out yesterday.jsonl',
        'mcpd audit export --format csv --caller ana | less',
        'mcpd audit export --format ocsf --since 1h | your-shipper',
      ]),
    )
    .action(async (options: Options) => {
      if (options.json === true && options.out === undefined)
        throw usage('--json says what was written, and here that goes to stdout', 'add --out FILE');
      finish(await exported(options, io), options.json === true);
    });
}

async function exported(options: Options, io: Io): Promise<Told> {
  const { findAll } = await import('../audit/index-find.ts');
  const { exportFormats } = await import('../audit/export-formats.ts');
  const format = exportFormats(version).get(options.format);
  if (format === undefined) throw usage(`no format ${options.format}`, '--format jsonl');
  const dir = stateDir(policiesDir(options.policies, io.env), io.env);
  const filter = await filterOf(options, dir, io.now());
  const file = options.out === undefined ? undefined : create(resolve(options.out));
  let records = 0;
  try {
    const write = (text: string) => {
      if (file === undefined) io.out(text);
      else file.write(text);
    };
    let piece = format.head;
    for await (const record of findAll(auditDirIn(dir), filter, watcherFor(io))) {
      records++;
      piece += format.line(record);
      if (piece.length < pieceChars) continue;
      write(piece);
      piece = '';
    }
    write(piece);
    file?.finish();
  } catch (reason) {
    // Half an export would pass for a whole one.
    file?.remove();
    throw reason;
  }
  const text = options.out === undefined ? '' : `${records} records are in ${options.out}.`;
  return { reply: { ok: true, command: 'audit export', records, format: options.format }, text };
}

type Out = {
  readonly write: (text: string) => void;
  readonly finish: () => void;
  readonly remove: () => void;
};

/** For its owner only, because a journal says who did what. Throws `CONFIG_INVALID` where there is something already. */
function create(path: string): Out {
  let fd: number;
  try {
    fd = openSync(path, 'wx', 0o600);
  } catch (cause) {
    const there = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw new Fault('CONFIG_INVALID', {
      detail: there ? `${path} is there already` : `${path} cannot be made: ${(cause as Error).message}`,
      hint: 'name another file: --out FILE',
      cause,
    });
  }
  return {
    write: (text) => {
      const bytes = Buffer.from(text);
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    },
    finish: () => {
      fsyncSync(fd);
      closeSync(fd);
    },
    remove: () => {
      rmSync(path, { force: true });
    },
  };
}
