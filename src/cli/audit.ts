import { InvalidArgumentError, type Command } from 'commander';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { auditDirIn, policiesDir, stateDir } from './place.ts';

const limitMax = 100_000;

type Options = {
  readonly policies?: string;
  readonly json?: true;
  readonly tool?: string;
  readonly caller?: string;
  readonly correlation?: string;
  readonly outcome?: string;
  readonly server?: string;
  readonly would?: true;
  readonly since?: string;
  readonly limit: number;
};

/** `mcpd audit query`: finds calls in the journal. It reads files, so it works without the daemon. */
export function addAudit(program: Command, io: Io, finish: Finish): void {
  const audit = program
    .command('audit')
    .summary('the journal: query')
    .description('The journal of every call, decision and operator command.')
    .helpCommand(false);
  leaf(audit, 'query')
    .description('Finds records in the journal; oldest first, the newest so many. All conditions must fit.')
    .option('--tool <name>', 'TOOL or SERVER/TOOL')
    .option('--server <name>', 'one server')
    .option('--caller <name>', 'name of the caller')
    .option('--correlation <id>', 'the id that the caller was given')
    .option(
      '--outcome <word>',
      'answered, refused, declined, awaiting, failed, …, or an error such as rate-limited; unknown: it went out and nothing came back',
    )
    .option('--would', 'only what would have gone another way if everything were enforced')
    .option('--since <when>', '90s, 30min, 2h, 7d, or a date such as 2026-01-31')
    .option('--limit <count>', 'at most so many', count, 50)
    .addHelpText(
      'after',
      examples([
        'mcpd audit query --since 2h',
        'mcpd audit query --tool files/write_file --outcome refused',
        'mcpd audit query --correlation 01J… --json',
        'mcpd audit query --would --since 7d   (what an observing policy would have refused or asked about)',
      ]),
    )
    .action(async (options: Options) => {
      finish(
        await query(stateDir(policiesDir(options.policies, io.env), io.env), options, io.now()),
        options.json === true,
      );
    });
}

async function query(dir: string, options: Options, nowMs: number): Promise<Told> {
  const { parseSince, query: find } = await import('../audit/query.ts');
  const { readJournal } = await import('../audit/journal-files.ts');
  const { printFindings } = await import('../audit/query-print.ts');
  const { tool, caller, correlation, outcome, server, would, since, limit } = options;
  if (outcome !== undefined) await mustBeEnding(outcome);
  const sinceMs = since === undefined ? undefined : parseSince(since, nowMs);
  const findings = await find(readJournal(auditDirIn(dir)), {
    tool,
    caller,
    correlation,
    outcome,
    server,
    would,
    sinceMs,
    limit,
  });
  const { records, unreadable } = findings;
  // A cut that says nothing would be read as "that was all".
  const full = records.length >= limit;
  const cut = full ? `\nThese are the newest ${limit}; there may be more: --limit N` : '';
  return {
    reply: { ok: true, command: 'audit query', records, unreadable, full },
    text: `${printFindings(findings)}${cut}`,
  };
}

/** Throws a `USAGE` error: a misspelt word finds nothing, and that would be read as "there was nothing". */
async function mustBeEnding(word: string): Promise<void> {
  const { errorWords, isEnding, outcomeWords } = await import('../audit/outcomes.ts');
  if (isEnding(word)) return;
  throw Object.assign(new Error(`no call ends with ${JSON.stringify(word)}`), {
    code: 'USAGE',
    hint:
      `An outcome: ${outcomeWords.join(', ')}; an error: ${errorWords.join(', ')}; ` +
      'a fault code such as UPSTREAM_TIMEOUT (docs/errors.md has them all), or the number of an error that a server gave.',
  });
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > limitMax)
    throw new InvalidArgumentError(`It must be 1 to ${limitMax}.`);
  return value;
}
