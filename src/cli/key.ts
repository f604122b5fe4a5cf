import type { Command } from 'commander';
import type { Finish, Io, Told } from './io.ts';
import { examples, leaf } from './help.ts';
import { controlSocketIn, policiesDir, stateDir } from './place.ts';
import { table } from './table.ts';
import { printable } from '../domain/printable.ts';

/** `mcpd key …`: who may call. */
export function addKey(program: Command, io: Io, finish: Finish): void {
  const key = program
    .command('key')
    .summary('keys for callers: add, list, revoke')
    .description('Keys for callers. A key is shown once; mcpd keeps only its hash.')
    .helpCommand(false)
    .addHelpText('after', examples(['mcpd key add my-editor', 'mcpd key list', 'mcpd key revoke my-editor']));
  type Options = { policies?: string; json?: true };
  const dirOf = ({ policies }: Options) => stateDir(policiesDir(policies, io.env), io.env);

  leaf(key, 'add')
    .argument('<NAME>')
    .description('Makes a key for one caller and shows it, once. A running mcpd accepts it at once.')
    .addHelpText('after', examples(['mcpd key add my-editor', 'mcpd key add ci --json | jq -r .key']))
    .action(async (name: string, options: Options) =>
      finish(await add(dirOf(options), name), options.json === true),
    );
  leaf(key, 'list')
    .description('Lists the callers and the part of their keys that may be shown.')
    .addHelpText('after', examples(['mcpd key list', 'mcpd key list --json']))
    .action(async (options: Options) => finish(await list(dirOf(options)), options.json === true));
  leaf(key, 'revoke')
    .argument('<NAME>')
    .description("Takes a caller's key away for good. A running mcpd refuses it from the next call on.")
    .addHelpText(
      'after',
      examples([
        'mcpd key revoke my-editor',
        'mcpd ctl disable-caller my-editor --now   (also stops its calls)',
      ]),
    )
    .action(async (name: string, options: Options) =>
      finish(await revoke(dirOf(options), name), options.json === true),
    );
}

async function add(dir: string, name: string): Promise<Told> {
  const { addKey: make } = await import('../callers/keys.ts');
  const { openStateDir } = await import('../config/state-dir.ts');
  openStateDir(dir);
  const { key, record } = await make(dir, name);
  const daemon = await tellDaemon(dir, `key add ${name}`);
  const fields = { command: 'key add', name: record.name, id: record.id, key, ...daemon.fields };
  const text = `${key}\n\nThis is the key of ${printable(name)}. It is shown once; keep it where ${printable(name)} can read it.\nClients send it as:  Authorization: Bearer ${key}\n${daemon.says}`;
  // The key exists whatever the daemon said, and is shown nowhere else: it must not be swallowed by an error.
  if (daemon.error === undefined) return { reply: { ok: true, ...fields }, text };
  return { reply: { ok: false, error: daemon.error, ...fields }, text };
}

async function list(dir: string): Promise<Told> {
  const { listKeys } = await import('../callers/keys.ts');
  const keys = listKeys(dir).map(({ name, id, createdAt, revokedAt }) => ({
    name,
    id,
    createdAt,
    revokedAt: revokedAt ?? null,
  }));
  const rows = keys.map(({ name, id, createdAt, revokedAt }) => [
    name,
    `mcpd_${id}_…`,
    createdAt,
    revokedAt ?? '-',
  ]);
  const text =
    keys.length === 0
      ? 'There are no keys. To make one: mcpd key add NAME'
      : table(['CALLER', 'KEY', 'MADE', 'REVOKED'], rows);
  return { reply: { ok: true, command: 'key list', keys }, text };
}

async function revoke(dir: string, name: string): Promise<Told> {
  const { listKeys, revokeKey } = await import('../callers/keys.ts');
  const { nearest } = await import('../operate/nearest.ts');
  const result = await revokeKey(dir, name);
  if (result.kind === 'unknown') {
    const near = nearest(
      name,
      listKeys(dir).map((it) => it.name),
    );
    const hint = near === undefined ? 'mcpd key list' : `did you mean ${near}?`;
    return { reply: { ok: false, error: { code: 'NOT_FOUND', says: `${name} has no key`, hint } }, text: '' };
  }
  // Told even when nothing changed: the daemon may have missed it the first time.
  const daemon = await tellDaemon(dir, `key revoke ${name}`);
  const fields = { command: 'key revoke', name, changed: result.kind === 'revoked', ...daemon.fields };
  if (daemon.error !== undefined) return { reply: { ok: false, error: daemon.error, ...fields }, text: '' };
  const text = `The key of ${printable(name)} is revoked${result.kind === 'already' ? ' already' : ''}. ${daemon.says}`;
  return { reply: { ok: true, ...fields }, text };
}

type Heard = {
  /** `inForce`: a running daemon obeys the change now. */
  readonly fields: { readonly daemon: 'told' | 'not running' | 'failed'; readonly inForce: boolean };
  readonly says: string;
  readonly error: { readonly code: string; readonly says: string; readonly hint: string } | undefined;
};

/** A change of keys that a running daemon does not hear of would be a revoked key that still opens. */
async function tellDaemon(dir: string, after: string): Promise<Heard> {
  const { ask, NoAnswer } = await import('../control/client.ts');
  const hint = 'mcpd ctl reload-keys';
  try {
    const answer = await ask(controlSocketIn(dir), 'reload-keys', { after });
    if (answer.ok)
      return {
        fields: { daemon: 'told', inForce: true },
        says: 'The running mcpd knows already.',
        error: undefined,
      };
    const says = `the change is written down, but the running mcpd did not take it: ${answer.error.says}`;
    return {
      fields: { daemon: 'failed', inForce: false },
      says: '',
      error: { code: answer.error.code, says, hint },
    };
  } catch (reason) {
    if (reason instanceof NoAnswer && reason.code === 'NOT_RUNNING') {
      return {
        fields: { daemon: 'not running', inForce: true },
        says: 'mcpd is not running; it will know when it starts.',
        error: undefined,
      };
    }
    const why = reason instanceof Error ? reason.message : String(reason);
    const says = `the change is written down, but the running mcpd could not be told: ${why}`;
    return {
      fields: { daemon: 'failed', inForce: false },
      says: '',
      error: { code: 'NO_ANSWER', says, hint },
    };
  }
}
