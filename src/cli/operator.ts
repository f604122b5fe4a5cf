import { join } from 'node:path';
import type { Command } from 'commander';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { controlSocketIn, operatorToken, policiesDir, stateDir } from './place.ts';
import { table } from './table.ts';
import { printable } from '../domain/printable.ts';
import { roles, type Role } from '../operate/operators.ts';

type Options = { policies?: string; json?: true };
type AddOptions = Options & { role: string; expires?: string };

/** `mcpd operator …`: persons who may give commands or answer questions under their own name. */
export function addOperators(program: Command, io: Io, finish: Finish): void {
  const operator = program
    .command('operator')
    .summary('persons who operate mcpd under their own name: add, list, revoke')
    .description(
      'Persons who operate mcpd under their own name, with a token of their own. A token is shown once; mcpd keeps only its hash. viewer: may look; approver: may answer questions too; operator: may do everything.',
    )
    .helpCommand(false)
    .addHelpText(
      'after',
      examples(['mcpd operator add ana --role approver', 'mcpd operator list', 'mcpd operator revoke ana']),
    );
  const dirOf = ({ policies }: Options) => stateDir(policiesDir(policies, io.env), io.env);

  leaf(operator, 'add')
    .argument('<NAME>')
    .requiredOption('--role <role>', 'viewer, approver or operator')
    .option('--expires <when>', 'after so long (12h, 30d), or at a time (2027-01-31, 2027-01-31T18:00:00Z)')
    .description('Makes a token for one person and shows it, once.')
    .addHelpText(
      'after',
      examples([
        'mcpd operator add ana --role approver',
        'mcpd operator add ci --role viewer --expires 90d --json | jq -r .token',
      ]),
    )
    .action(async (name: string, options: AddOptions) =>
      finish(await add(dirOf(options), name, options, io), options.json === true),
    );
  leaf(operator, 'list')
    .description('Lists the persons and the part of their tokens that may be shown.')
    .addHelpText('after', examples(['mcpd operator list', 'mcpd operator list --json']))
    .action(async (options: Options) => finish(await list(dirOf(options), io.now()), options.json === true));
  leaf(operator, 'revoke')
    .argument('<NAME|ID>')
    .description("Takes a person's token away for good, from the next command on.")
    .addHelpText('after', examples(['mcpd operator revoke ana']))
    .action(async (name: string, options: Options) =>
      finish(await revoke(dirOf(options), name, io), options.json === true),
    );
}

async function add(dir: string, name: string, { role, expires }: AddOptions, io: Io): Promise<Told> {
  const known = roles.find((it) => it === role);
  if (known === undefined)
    return refused('BAD_ARGUMENTS', `${role} is no role`, 'write viewer, approver or operator');
  const nowMs = io.now();
  const expiresAtMs = expires === undefined ? undefined : await timeOf(expires, nowMs);
  if (expires !== undefined && (expiresAtMs === undefined || expiresAtMs <= nowMs))
    return refused('BAD_ARGUMENTS', `${expires} is no time to come`, 'write 12h, 30d or 2027-01-31');
  const { addOperator } = await import('../operate/operator-file.ts');
  const { openStateDir } = await import('../config/state-dir.ts');
  openStateDir(dir);
  const { token, record } = await locked(dir, (mustHold) =>
    addOperator(dir, { name, role: known, expiresAtMs }, nowMs, mustHold),
  );
  const daemon = await tellDaemon(dir, `operator add ${name} ${known}`, io);
  const { id, expiresAt = null } = record;
  const fields = { command: 'operator add', name, role: known, id, expiresAt, token, daemon: daemon.fields };
  const text = `${token}\n\nThis is the operator token of ${name}, ${article(known)}. It is shown once. ${name} puts it into a file of their own (chmod 600) and says:\n  mcpd ctl approvals --as-file FILE\n${daemon.says}`;
  // The token exists whatever the daemon said, and is shown nowhere else: it must not be swallowed by an error.
  if (daemon.error === undefined) return { reply: { ok: true, ...fields }, text };
  return { reply: { ok: false, error: daemon.error, ...fields }, text };
}

async function list(dir: string, nowMs: number): Promise<Told> {
  const { listOperators } = await import('../operate/operator-file.ts');
  const { isGood } = await import('../operate/operator-records.ts');
  const operators = listOperators(dir).map((record) => ({
    name: record.name,
    role: record.role,
    id: record.id,
    createdAt: record.createdAt,
    expiresAt: record.expiresAt ?? null,
    revokedAt: record.revokedAt ?? null,
    good: isGood(record, nowMs),
  }));
  const rows = operators.map(({ name, role, id, createdAt, expiresAt, revokedAt }) => [
    name,
    role,
    `mcpd_op_${id}_…`,
    createdAt,
    expiresAt ?? '-',
    revokedAt ?? '-',
  ]);
  const text =
    operators.length === 0
      ? 'There are no persons with a token. To make one: mcpd operator add NAME --role approver'
      : table(['NAME', 'ROLE', 'TOKEN', 'MADE', 'EXPIRES', 'REVOKED'], rows);
  return { reply: { ok: true, command: 'operator list', operators }, text };
}

async function revoke(dir: string, name: string, io: Io): Promise<Told> {
  const { listOperators, revokeOperator } = await import('../operate/operator-file.ts');
  const { nearest } = await import('../operate/nearest.ts');
  const result = await locked(dir, (mustHold) => revokeOperator(dir, name, io.now(), mustHold));
  if (result === 'unknown') {
    const near = nearest(
      name,
      listOperators(dir).map((it) => it.name),
    );
    const hint = near === undefined ? 'mcpd operator list' : `did you mean ${near}?`;
    return refused('NOT_FOUND', `${name} has no operator token`, hint);
  }
  const daemon = await tellDaemon(dir, `operator revoke ${name}`, io);
  const changed = result === 'revoked';
  const fields = { command: 'operator revoke', name, changed, daemon: daemon.fields };
  if (daemon.error !== undefined) return { reply: { ok: false, error: daemon.error, ...fields }, text: '' };
  const text = `The operator token of ${printable(name)} is revoked${changed ? '' : ' already'}. ${daemon.says}`;
  return { reply: { ok: true, ...fields }, text };
}

/** Two commands at once must not undo each other. */
async function locked<T>(dir: string, change: (mustHold: () => void) => T): Promise<T> {
  const { withLock } = await import('../files/lock.ts');
  const { operatorsFileName } = await import('../operate/operator-file.ts');
  return withLock(join(dir, `.${operatorsFileName}.lock`), async (mustHold) => change(mustHold));
}

/** A span from now on, or a time; milliseconds since 1970, undefined for neither. */
async function timeOf(text: string, nowMs: number): Promise<number | undefined> {
  const { readSpan } = await import('../operate/duration.ts');
  if (/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(text)) {
    const at = Date.parse(text);
    return Number.isNaN(at) ? undefined : at;
  }
  try {
    return nowMs + readSpan(text, expiresMsMax);
  } catch {
    return undefined;
  }
}

const expiresMsMax = 3650 * 86_400_000;

type Heard = {
  readonly fields: 'told' | 'not running' | 'failed';
  readonly says: string;
  readonly error?: { readonly code: string; readonly says: string; readonly hint: string };
};

/** For the journal. The daemon reads the file whenever a token is shown to it, so the change is in force either way. */
async function tellDaemon(dir: string, after: string, io: Io): Promise<Heard> {
  const { ask, NoAnswer } = await import('../control/client.ts');
  const failed = (code: string, why: string): Heard => ({
    fields: 'failed',
    says: '',
    error: {
      code,
      says: `it is done and in force, but it is not on the journal: ${why}`,
      hint: 'mcpd ctl reload-operators',
    },
  });
  try {
    const token = operatorToken(io.env, undefined);
    const answer = await ask(controlSocketIn(dir), 'reload-operators', { after }, { token });
    if (answer.ok) return { fields: 'told', says: 'The running mcpd knows already.' };
    return failed(answer.error.code, answer.error.says);
  } catch (reason) {
    if (reason instanceof NoAnswer && reason.code === 'NOT_RUNNING')
      return { fields: 'not running', says: 'mcpd is not running; it will know when it starts.' };
    return failed('NO_ANSWER', reason instanceof Error ? reason.message : String(reason));
  }
}

function article(role: Role): string {
  return role === 'viewer' ? 'a viewer' : `an ${role}`;
}

function refused(code: string, says: string, hint: string): Told {
  return { reply: { ok: false, error: { code, says, hint } }, text: '' };
}
