import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ServerFile } from '../domain/orders.ts';
import type { Observed } from '../policy-tools/observed.ts';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { auditDirIn, policiesDir, stateDir } from './place.ts';
import { misused } from './policy-tell.ts';
import { writeFresh } from './policy-write.ts';
import { plural } from './words.ts';

type Options = {
  readonly policies?: string;
  readonly json?: true;
  readonly since: string;
  readonly out?: string;
};

/** `mcpd policy learn`: the smallest policy under which what was seen could have happened. */
export function addPolicyLearn(policy: Command, io: Io, finish: Finish): void {
  leaf(policy, 'learn')
    .argument('<SERVER>', 'name of a server')
    .option('--since <when>', '90s, 30min, 2h, 7d, or a date such as 2026-01-31', '7d')
    .option('--out <file>', 'write it there; an existing file is left alone (default: show it)')
    .summary('write a least-privilege policy from recorded calls')
    .description(
      'Reads the journal and writes a server file that allows what went out, and nothing else: exact tools for the callers ' +
        'that used them, the resources that were read, limits a little above the busiest minute, and a case for each rule. ' +
        'A person has to review it: what says FILL IN is not to be seen in a journal.',
    )
    .addHelpText(
      'after',
      examples([
        'mcpd policy learn files',
        'mcpd policy learn files --since 30d --out candidate/servers/files.toml',
        'mcpd policy replay --since 30d --with candidate   (what it would have refused)',
      ]),
    )
    .action(async (server: string, options: Options) => {
      finish(await learn(server, options, io), options.json === true);
    });
}

async function learn(server: string, options: Options, io: Io): Promise<Told> {
  if (!/^[a-z0-9-]{1,32}$/.test(server))
    return misused(`${server} is no name of a server`, '1 to 32 of a-z, 0-9 and -, such as files');
  const policies = policiesDir(options.policies, io.env);
  const { learned } = await import('../policy-tools/learn.ts');
  const { parseSince } = await import('../audit/query.ts');
  const sinceMs = parseSince(options.since, io.now());
  const { seen, unreadable } = await observe(auditDirIn(stateDir(policies, io.env)), server, sinceMs);
  if (seen.sent === 0)
    return {
      reply: {
        ok: false,
        error: {
          code: 'NOTHING_SEEN',
          says: `no call to ${server} went out since ${new Date(sinceMs).toISOString()}`,
          hint: 'an earlier --since; or stage = "observe" for a while, so that there is something to learn from',
        },
      },
      text: '',
    };
  const span = `since ${new Date(sinceMs).toISOString()}`;
  const policy = learned(server, seen, await inForce(policies, server, io), span);
  const parts = {
    command: 'policy learn',
    server,
    calls: seen.sent,
    refused: seen.refused,
    leftOut: seen.leftOut,
    unreadable,
  };
  if (options.out === undefined) return { reply: { ok: true, ...parts, policy }, text: policy };
  const out = resolve(options.out);
  writeNew(out, policy);
  return {
    reply: { ok: true, ...parts, file: out },
    text: `${out}: learned from ${plural(seen.sent, 'call')}. Review it, and fill in what says FILL IN.`,
  };
}

async function observe(
  journal: string,
  server: string,
  sinceMs: number,
): Promise<{ readonly seen: Observed; readonly unreadable: number }> {
  const { Observed } = await import('../policy-tools/observed.ts');
  const { readRecorded } = await import('../policy-tools/recorded.ts');
  const { readJournal } = await import('../audit/journal-files.ts');
  const seen = new Observed();
  let unreadable = 0;
  for await (const line of readJournal(journal)) {
    const read = readRecorded(line);
    if (read === 'unreadable') unreadable++;
    else if (read !== 'not-a-call' && read.server === server && read.atMs >= sinceMs) seen.add(read);
  }
  return { seen, unreadable };
}

/** The file in force, where there is one that can be read: it knows how to run the server, and its classes. */
async function inForce(policies: string, server: string, io: Io): Promise<ServerFile | undefined> {
  const { loadPolicies } = await import('../config/load.ts');
  const loaded = loadPolicies(policies, io.env);
  return loaded.ok ? loaded.servers.find(({ spec }) => spec.name === server) : undefined;
}

/** Never over a file that is there: somebody's review is in it. */
function writeNew(path: string, text: string): void {
  try {
    writeFresh(path, text, 0o600);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'EEXIST')
      throw new NotWritten(`${path} is there already`, 'another --out; nothing is ever overwritten');
    const hint = 'a folder that is there, that you may write to, and that has room';
    throw new NotWritten(`cannot write ${path}: ${(reason as Error).message}`, hint);
  }
}

class NotWritten extends Error {
  readonly code = 'NOT_WRITTEN';
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}
