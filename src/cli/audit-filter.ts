import type { Command } from 'commander';
import type { ArgumentWanted, Filter } from '../audit/query-filter.ts';
import { digestsIn } from './audit-digest.ts';

/** What `query` and `export` can be asked for. */
export type FilterOptions = {
  readonly tool?: string;
  readonly caller?: string;
  readonly correlation?: string;
  readonly outcome?: string;
  readonly server?: string;
  readonly resource?: string;
  readonly rule?: string;
  readonly kind?: string;
  readonly session?: string;
  readonly approvedBy?: string;
  readonly command?: string;
  readonly arg: readonly string[];
  readonly would?: true;
  readonly since?: string;
  readonly until?: string;
};

export function withFilters(command: Command): Command {
  return command
    .option('--correlation <id>', 'the id that the caller was given')
    .option('--caller <name>', 'name of the caller')
    .option('--server <name>', 'one server')
    .option('--tool <name>', 'TOOL or SERVER/TOOL')
    .option('--resource <text>', 'a recorded resource; with * at its end: what it begins with')
    .option('--arg <name=value>', 'an argument with this value; name:=JSON for what is no text', collect, [])
    .option(
      '--outcome <word>',
      'answered, refused, declined, awaiting, failed, …, or an error such as rate-limited; unknown: it went out and nothing came back',
    )
    .option('--rule <name>', 'the rule that decided, refused, or would have')
    .option('--approved-by <name>', 'one of those who said yes')
    .option('--session <id>', 'as the journal has it, or whole')
    .option('--command <name>', 'a command of an operator, such as lockdown')
    .option('--kind <word>', 'call, upcall, command, sign-ins, or what the journal says of itself')
    .option('--would', 'only what would have gone another way if everything were enforced')
    .option('--since <when>', 'from then on: 90s, 30min, 2h, 7d ago, or a date such as 2026-01-31')
    .option('--until <when>', 'before then');
}

function collect(one: string, all: readonly string[]): readonly string[] {
  return [...all, one];
}

/** Throws a `USAGE` error for a word that no record can have: nothing would be found, and that would be believed. */
export async function filterOf(options: FilterOptions, stateDir: string, nowMs: number): Promise<Filter> {
  const { parseSince } = await import('../audit/query.ts');
  const { tool, caller, correlation, outcome, server, resource, rule, kind, approvedBy, command } = options;
  const { would, since, until, session } = options;
  if (outcome !== undefined) await mustBeEnding(outcome);
  if (kind !== undefined) await mustBeKind(kind);
  return {
    tool,
    caller,
    correlation,
    outcome,
    server,
    resource,
    rule,
    kind,
    approvedBy,
    command,
    would,
    session: session === undefined ? undefined : await sessionOf(session),
    sinceMs: since === undefined ? undefined : parseSince(since, nowMs),
    untilMs: until === undefined ? undefined : parseSince(until, nowMs),
    args: options.arg.length === 0 ? undefined : await argumentsOf(options.arg, stateDir),
  };
}

/** The journal has only a short hash of a session's id. */
async function sessionOf(session: string): Promise<string> {
  const { shortHash } = await import('../audit/outside.ts');
  return /^[0-9a-f]{12}$/.test(session) ? session : shortHash(session);
}

async function argumentsOf(wanted: readonly string[], stateDir: string): Promise<readonly ArgumentWanted[]> {
  const digest = await digestsIn(stateDir);
  return wanted.map((one) => {
    const found = /^([^=]+?)(:?=)(.*)$/s.exec(one);
    if (found === null) throw usage(`--arg ${JSON.stringify(one)} names no value`, '--arg path=/etc/hosts');
    const [, name = '', sign, value = ''] = found;
    return { name, digest: digest(value, sign === ':=' ? 'json' : 'text') };
  });
}

async function mustBeEnding(word: string): Promise<void> {
  const { errorWords, isEnding, outcomeWords } = await import('../audit/outcomes.ts');
  if (isEnding(word)) return;
  throw usage(
    `no call ends with ${JSON.stringify(word)}`,
    `An outcome: ${outcomeWords.join(', ')}; an error: ${errorWords.join(', ')}; ` +
      'a fault code such as UPSTREAM_TIMEOUT (docs/errors.md has them all), or the number of an error that a server gave.',
  );
}

async function mustBeKind(word: string): Promise<void> {
  const { kindWords } = await import('../audit/outcomes.ts');
  if (!kindWords.includes(word))
    throw usage(`no record is of the kind ${JSON.stringify(word)}`, `One of: ${kindWords.join(', ')}.`);
}

export function usage(message: string, hint: string): Error {
  return Object.assign(new Error(message), { code: 'USAGE', hint });
}
