import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { decode, readPolicies } from '../config/read.ts';
import { readToml } from '../config/toml.ts';
import { Fault } from '../domain/faults.ts';
import type { VerifyPlace } from '../audit/verify.ts';
import type { Verdict } from '../audit/verdict.ts';
import { examples, leaf } from './help.ts';
import type { Finish, Io, Told } from './io.ts';
import { auditDirIn, policiesDir, stateDir } from './place.ts';

type Options = {
  readonly policies?: string;
  readonly json?: true;
  readonly journal?: string;
  readonly checkpoints?: string;
  readonly publicKey?: string;
};

/** `mcpd audit verify`: whether the journal is the one that was written. It reads files, so it works without the daemon. */
export function addAuditVerify(audit: Command, io: Io, finish: Finish): void {
  leaf(audit, 'verify')
    .description(
      'Holds the journal against its chain, its head and its signed checkpoints. Names every record that was edited, ' +
        'removed, moved, put in or cut off. Exit code 0: nothing is wrong; 1: something is; 78: it cannot be read.',
    )
    .option('--journal <dir>', 'a copy of the journal (default: that of the state directory)')
    .option('--checkpoints <dir>', 'a copy of its checkpoints')
    .option(
      '--public-key <file>',
      'your own copy of its public key: no secret of the daemon is believed or needed',
    )
    .addHelpText(
      'after',
      examples([
        'mcpd audit verify',
        'mcpd audit verify --public-key ./public-key.pem --journal ./audit --checkpoints ./checkpoints',
      ]),
    )
    .action(async (options: Options) => {
      finish(await told(options, io), options.json === true);
    });
}

async function told(options: Options, io: Io): Promise<Told> {
  const { printVerdict } = await import('../audit/verdict-print.ts');
  const verdict = await verdictOn(await placeOf(options, io));
  const { findings, more } = verdict;
  const text = printVerdict(verdict);
  if (findings.length === 0) return { reply: { ok: true, command: 'audit verify', ...verdict }, text };
  const count = findings.length + more;
  const error = {
    code: 'JOURNAL_CHANGED',
    says: `the journal is not the one that was written: ${count} finding${count === 1 ? '' : 's'}`,
    hint: 'keep the files as they are, and look who could write to them: ls -la --time-style=full-iso',
  };
  return { reply: { ok: false, command: 'audit verify', error, ...verdict }, text };
}

/** What cannot be read is not the same as what was changed. */
async function verdictOn(place: VerifyPlace): Promise<Verdict> {
  const { verify } = await import('../audit/verify.ts');
  try {
    const verdict = await verify(place);
    // Where nothing is and nothing says that there was anything, it is the wrong folder.
    const isNothing = verdict.files === 0 && verdict.checkpoints === 0 && verdict.head !== 'fits';
    if (isNothing && verdict.findings.every(({ kind }) => kind === 'unsigned'))
      throw unreadable(`there is no journal in ${place.dir}`, undefined);
    return verdict;
  } catch (cause) {
    if (cause instanceof Fault && cause.code === 'CONFIG_INVALID') throw cause;
    const reason =
      cause instanceof Fault ? cause.detail : cause instanceof Error ? cause.message : String(cause);
    throw unreadable(`the journal cannot be read: ${reason ?? ''}`, cause);
  }
}

async function placeOf(options: Options, io: Io): Promise<VerifyPlace> {
  const { proofPlace } = await import('../audit/journal-keys.ts');
  const { journal, publicKey } = options;
  const policies = policiesDir(options.policies, io.env);
  // With everything named on the command line, no daemon has to be configured here.
  const isElsewhere = journal !== undefined && publicKey !== undefined && options.checkpoints !== undefined;
  const dir = isElsewhere ? resolve(journal) : stateDir(policies, io.env);
  const checkpoints = options.checkpoints ?? (isElsewhere ? undefined : configured(policies));
  // A name that was misspelt is not a journal that somebody cut off.
  if (journal !== undefined && !existsSync(journal))
    throw unreadable(`there is no folder ${journal}`, undefined);
  return {
    dir: journal === undefined ? auditDirIn(dir) : resolve(journal),
    proof: proofPlace(dir, checkpoints === undefined ? undefined : resolve(checkpoints)),
    ...(publicKey === undefined ? {} : { publicKey: resolve(publicKey) }),
  };
}

/** `checkpoints` of `[audit]` in mcpd.toml, which is read only as far as that: a mistake elsewhere is no reason not to look. */
function configured(policies: string): string | undefined {
  const file = readPolicies(policies).files.find(({ server }) => server === undefined);
  const text = file === undefined ? undefined : decode(file);
  const parsed = typeof text === 'string' ? readToml(text) : undefined;
  const audit = parsed?.ok === true ? memberOf(parsed.document.value, 'audit') : undefined;
  const checkpoints = memberOf(audit, 'checkpoints');
  return typeof checkpoints === 'string' ? resolve(policies, checkpoints) : undefined;
}

function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

function unreadable(detail: string, cause: unknown): Fault {
  return new Fault('CONFIG_INVALID', {
    detail,
    hint: 'see that the folder is the right one and can be read by this user; --help says how to name another',
    cause,
  });
}
