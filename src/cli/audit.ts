import { InvalidArgumentError, type Command } from 'commander';
import { addAuditDigest } from './audit-digest.ts';
import { addAuditExport } from './audit-export.ts';
import { filterOf, withFilters, type FilterOptions } from './audit-filter.ts';
import { addAuditVerify } from './audit-verify.ts';
import { watcherFor } from './audit-watch.ts';
import { examples, leaf } from './help.ts';
import type { Finish, Io, Told } from './io.ts';
import { auditDirIn, policiesDir, stateDir } from './place.ts';

const limitMax = 100_000;

type Options = FilterOptions & { readonly policies?: string; readonly json?: true; readonly limit: number };

/** `mcpd audit …`: asks the journal. It reads files, so it works without the daemon. */
export function addAudit(program: Command, io: Io, finish: Finish): void {
  const audit = program
    .command('audit')
    .summary('the journal: query, verify, export, digest')
    .description('The journal of every call, decision and operator command.')
    .helpCommand(false);
  const command = leaf(audit, 'query').description(
    'Finds records in the journal; oldest first, the newest so many. All conditions must fit.',
  );
  withFilters(command)
    .option('--limit <count>', 'at most so many', count, 50)
    .addHelpText(
      'after',
      examples([
        'mcpd audit query --since 2h',
        'mcpd audit query --tool files/write_file --outcome refused',
        'mcpd audit query --correlation 71f0aa92-6a3b-4c52-8a0f-57d1e2b3c222 --json',
        "mcpd audit query --resource '/srv/contracts/*' --since 30d",
        'mcpd audit query --arg path=/srv/contracts/a.txt',
        'mcpd audit query --would --since 7d   (what an observing policy would have refused or asked about)',
      ]),
    )
    .action(async (options: Options) => {
      finish(await query(options, io), options.json === true);
    });
  addAuditVerify(audit, io, finish);
  addAuditExport(audit, io, finish);
  addAuditDigest(audit, io, finish);
}

async function query(options: Options, io: Io): Promise<Told> {
  const { findNewest } = await import('../audit/index-find.ts');
  const { printFindings } = await import('../audit/query-print.ts');
  const dir = stateDir(policiesDir(options.policies, io.env), io.env);
  const filter = await filterOf(options, dir, io.now());
  const { limit } = options;
  const findings = await findNewest(auditDirIn(dir), filter, limit, watcherFor(io));
  const { records, unreadable } = findings;
  // A cut that says nothing would be read as "that was all".
  const full = records.length >= limit;
  const cut = full ? `\nThese are the newest ${limit}; there may be more: --limit N` : '';
  return {
    reply: { ok: true, command: 'audit query', records, unreadable, full },
    text: `${printFindings(findings)}${cut}`,
  };
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > limitMax)
    throw new InvalidArgumentError(`It must be 1 to ${limitMax}.`);
  return value;
}
